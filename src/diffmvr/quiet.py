"""The terminal shows what diffmvr says: what libraries tell of themselves is left out.

Each entry is one message that is known and that a user of diffmvr can do nothing with; any other
warning, and every error, is shown.
"""

import logging
import warnings

# What Lightning finds on the machine, how it stopped, and tips to install other products.
LIGHTNING = ("lightning", "lightning.fabric", "lightning.pytorch")
# The beginnings of messages, as regular expressions.
LIGHTNING_WARNINGS = (
    # Of torch to Lightning.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # The run's folder, which this project made and whose logs of a stopped run it has put aside.
    r"Experiment logs directory .* exists and is not empty",
    r"Checkpoint directory .* exists and is not empty",
    # A checkpoint is gone on from with the callbacks that the settings name.
    r"Be aware that when using `ckpt_path`, callbacks used to create the checkpoint",
    # Clips are kept in memory, or read by as many processes as data.workers says.
    r"The '\w+_dataloader' does not have many workers which may be a bottleneck",
    # Of a score that no clip has, or none of this process.
    r"The ``compute`` method of metric \w+ was called before the ``update`` method",
)


def quiet_lightning() -> None:
    """Leave out what Lightning tells of itself; called before a Trainer is made.

    Its levels are set when it is imported, so this comes after.
    """
    for name in LIGHTNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in LIGHTNING_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def quiet_follower() -> None:
    """Leave out what a process says of itself that does the same as the first one of its run.

    Its warnings are shown.
    """
    logging.getLogger("diffmvr").setLevel(logging.WARNING)
