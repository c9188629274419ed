"""diffmvr: restore the hidden part of a face in a video (DiffMVR).

The public names are loaded when first used.  Importing the package has side effects only in a
command ``python -m diffmvr.…``: Ctrl-C is one line from the start, and ``--help`` and a mistyped
setting are answered before the command imports what it works with.
"""

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

_PUBLIC = {
    "ClipDataModule": "diffmvr.data.datamodule",
    "DiffMVRModule": "diffmvr.training.module",
    "DiffMVRPipeline": "diffmvr.pipelines.diffmvr_pipeline",
    "DualGuideAttnProcessor": "diffmvr.models.dual_guide_attention",
    "FrechetVideoDistance": "diffmvr.metrics.frechet",
    "GuideEncoder": "diffmvr.models.guide_encoder",
    "GuideProjector": "diffmvr.models.projector",
    "MotionConsistencyLoss": "diffmvr.losses.motion",
    "TemporalConsistency": "diffmvr.metrics.temporal_consistency",
}

__all__ = sorted(_PUBLIC)

try:
    __version__ = version("diffmvr")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'diffmvr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _say_interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("\ninterrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _begin_command(name: str) -> None:
    """Do what need not wait for what a command imports, which takes seconds."""
    sys.excepthook = _say_interrupted
    from diffmvr.collector import pause_collector

    pause_collector()
    from diffmvr.cli import answer_early

    answer_early(name)


# ``python -m`` imports the package before the command.
if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv:
    _module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    if _module.startswith("diffmvr."):
        _begin_command(_module.removeprefix("diffmvr."))
