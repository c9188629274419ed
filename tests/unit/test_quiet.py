"""What libraries say is left out message by message; whatever else they say is shown."""

import io
import logging
import warnings
from collections.abc import Iterator

import lightning as L
import pytest
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from diffmvr.quiet import LIGHTNING, quiet_lightning


@pytest.fixture(autouse=True)
def _own_levels() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in LIGHTNING}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_tips_and_what_lightning_finds_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    # Lightning writes to stderr by handlers of its own.
    handler = logging.StreamHandler(told)
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "handlers", [handler])

    def make() -> str:
        L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        return told.getvalue()

    logging.getLogger("lightning.pytorch").setLevel(logging.INFO)
    before = make()
    assert "Tip" in before and "GPU available" in before
    quiet_lightning()
    assert make() == before


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Experiment logs directory /runs/1 exists and is not empty. Previous log files …", False),
        ("The 'train_dataloader' does not have many workers which may be a bottleneck.", False),
        ("Be aware that when using `ckpt_path`, callbacks used to create the checkpoint …", False),
        ("The number of training batches (1) is smaller than the logging interval", True),
        ("a gradient is not finite", True),
    ],
)
def test_a_warning_is_left_out_by_its_message_alone(message: str, shown: bool) -> None:
    quiet_lightning()
    with warnings.catch_warnings(record=True) as said:
        rank_zero_warn(message)
    assert [str(warning.message) for warning in said] == [message] * shown
