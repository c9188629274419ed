"""diffmvr: restore the hidden part of a face in a video (DiffMVR).

The public names are loaded when first used; importing the package has no side effects but one, in
a command ``python -m diffmvr.…``: Ctrl-C is one line from the start.
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


# A command has to import for seconds before ``cli.run_cli`` can hear of Ctrl-C.
if sys.argv[:1] == ["-m"] and any(word.startswith("diffmvr.") for word in sys.orig_argv):
    sys.excepthook = _say_interrupted
