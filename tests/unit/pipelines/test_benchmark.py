"""Scoring restorers against each other and against the autoencoder's own limit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.helpers.tiny import build_tiny, tiny_clip

from diffmvr.baselines import get_restorer
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.pipelines.benchmark import (
    AutoencoderCeiling,
    benchmark_table,
    save_table,
    score_restorers,
)
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.structures import Clip, UInt8Array, to_pixel_values, to_uint8

CLIPS = [tiny_clip(seed=seed, frames=5, arrival=2) for seed in range(3)]


class Truth:
    """A restorer that knows."""

    name = "truth"

    def restore(self, clip: Clip) -> UInt8Array:
        return clip.frames.copy()


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    restorers = [Truth(), get_restorer("telea"), get_restorer("occluded")]
    return score_restorers(restorers, iter(CLIPS), seed=3, mask_type="bbox", total=3)


def test_a_row_for_every_clip_and_restorer(rows: pl.DataFrame) -> None:
    assert rows.height == 9
    assert set(rows["restorer"]) == {"truth", "telea", "occluded"}
    assert rows["clip_id"].n_unique() == rows["subject_id"].n_unique() == 3
    assert set(rows["seed"]) == {3} and set(rows["mask_type"]) == {"bbox"}


def test_scores_follow_the_truth(rows: pl.DataFrame) -> None:
    mean = dict(rows.group_by("restorer").agg(pl.col("psnr_hole").mean()).iter_rows())
    assert mean["truth"] > mean["telea"] > mean["occluded"]
    telea = rows.filter(pl.col("restorer") == "telea", pl.col("clip_id") == CLIPS[0].clip_id)
    restored = get_restorer("telea").restore(CLIPS[0])
    hidden = CLIPS[0].mask > 0
    error = (restored.astype(float) - CLIPS[0].frames)[hidden]
    # Over all hidden pixels of a clip, or the mean over its frames: within a decibel of another.
    assert telea["psnr_hole"].item() == pytest.approx(
        10 * np.log10(255**2 / (error**2).mean()), abs=1
    )


def test_the_bound_is_the_autoencoders_copy_of_the_truth(frozen_parts: Path) -> None:
    pipeline = DiffMVRPipeline.from_components(build_tiny(frozen_parts))
    clip = CLIPS[0]
    bound = AutoencoderCeiling(pipeline).restore(clip)
    visible = clip.mask == 0
    np.testing.assert_array_equal(bound[visible], clip.observed[visible])
    latents = encode_latents(pipeline.vae, to_pixel_values(clip.frames))
    expected = to_uint8(decode_latents(pipeline.vae, latents))
    np.testing.assert_array_equal(bound[~visible], expected[~visible])
    with pytest.raises(ValueError, match=rf"clip {clip.clip_id}: the bound needs the true frames"):
        AutoencoderCeiling(pipeline).restore(replace(clip, frames=None))


def test_a_table_is_written_twice(rows: pl.DataFrame, tmp_path: Path) -> None:
    table = benchmark_table(rows, reference="telea", missing={"lama": "weights not present: x.pt"})
    save_table(table, tmp_path / "new" / "folder")
    markdown = (tmp_path / "new" / "folder" / "table.md").read_text()
    for name in ("truth", "telea", "occluded", "weights not present: x.pt"):
        assert name in markdown
    assert (tmp_path / "new" / "folder" / "table.csv").read_text().count("\n") >= 4
