"""diffmvr: restore the hidden part of a face in a video (DiffMVR).

The public names are loaded when first used; importing the package has no side effects.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
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
