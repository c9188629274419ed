"""What the tests of the entry points share."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.cases import Restored, restore_case
from tests.helpers.tiny import build_tiny

from diffmvr.config import weights_dir
from diffmvr.data.synthetic import render_clip
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.restoration.opening import DEFAULT_MODEL


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


@pytest.fixture(scope="session", autouse=True)
def _rendered_once() -> Iterator[None]:
    """A rendered clip is the same on every run: the tests draw it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffmvr.data.sources.render_clip", lru_cache(2048)(render_clip))
        yield


@pytest.fixture
def restored(
    tmp_path: Path, shipped_pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A function that restores a case: ``restored(source, file_format, **settings)``."""
    monkeypatch.setattr("diffmvr.preprocessing.backends.shipped_detector", lambda task: None)
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)

    def run(source: Path, file_format: str, **options: Any) -> Restored:
        return restore_case(source, tmp_path, shipped_pipeline, file_format, **options)

    return run
