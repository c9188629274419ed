"""What the tests of the entry points share."""

from pathlib import Path

import pytest
from tests.helpers.tiny import build_tiny

from diffmvr.config import weights_dir
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.restore import DEFAULT_MODEL


@pytest.fixture(scope="session")
def weights(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the shipped weights, in the same layout and much smaller."""
    folder = tmp_path_factory.mktemp("weights")
    base = build_tiny(frozen_parts, GuideSettings(pathway="both"), sample_size=16)
    DiffMVRPipeline.from_components(base).save_pretrained(folder / "tiny-base")
    return folder


@pytest.fixture(scope="session")
def shipped_pipeline() -> DiffMVRPipeline:
    """The small model that ships, loaded once."""
    pipeline = DiffMVRPipeline.from_pretrained(weights_dir() / DEFAULT_MODEL)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
