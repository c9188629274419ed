"""Scoring restorers against each other and against the autoencoder's own limit."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from tests.helpers.tiny import build_tiny, tiny_clip

from diffmvr.baselines import get_restorer
from diffmvr.evaluation.benchmark import (
    AutoencoderCeiling,
    Scoring,
    benchmark_table,
    distance_rows,
    run_benchmark,
    save_table,
    score_restorers,
)
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.extractors import FrameExtractor
from diffmvr.metrics.set_distances import SetDistances
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting.distance_rows import load_distances
from diffmvr.reporting.rows import load_rows
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


def brightness(restored: UInt8Array, clip: Clip) -> dict[str, float]:
    return {"brightness": float(restored.mean())}


class Brighter:
    """A scorer that says itself which way is good."""

    higher_is_better: ClassVar = {"brightness": True, "never_given": False, "psnr_hole": False}

    def __call__(self, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        return brightness(restored, clip)


def test_a_scorer_that_says_which_way_is_good_has_a_column(tmp_path: Path) -> None:
    scorers = {"clip": score_clip, "own": Brighter()}
    asked = {"reference": "telea", "seed": 3, "mask_type": "bbox"}
    restorers = [Truth(), get_restorer("telea")]
    _, table = run_benchmark(restorers, iter(CLIPS), Scoring(scorers), tmp_path, **asked)
    titles = [column.title for column in table.columns]
    assert titles[-1] == "brightness ↑" and titles.count("PSNR hole ↑") == 1
    assert len(set(titles)) == len(titles) and "never_given ↓" not in titles
    # Nothing is said: it is in the rows alone.
    quiet = Scoring({"clip": score_clip, "own": functools.partial(brightness)})
    assert quiet.own_columns == ()


@pytest.mark.parametrize("told", [True, {"brightness": "up"}])
def test_which_way_is_good_is_true_or_false_by_name(told: object) -> None:
    scorer = Brighter()
    scorer.higher_is_better = told
    with pytest.raises(ValueError, match=r"scoring\.scorers\.own: higher_is_better: expected true"):
        _ = Scoring({"own": functools.partial(scorer)}).own_columns


def colours() -> SetDistances:
    network = FrameExtractor("colours", 3, lambda frames: frames.mean(dim=(2, 3)), "ab" * 32)
    return SetDistances({"c": network}, replicates=5)


def test_every_scorer_and_distance_gives_its_columns(tmp_path: Path) -> None:
    scoring = Scoring({"clip": score_clip, "brightness": brightness}, colours())
    rows, table = run_benchmark(
        [Truth(), get_restorer("telea")],
        iter(CLIPS),
        scoring,
        tmp_path / "run",
        reference="telea",
        seed=3,
        mask_type="bbox",
        total=3,
        missing={"lama": "weights not present: x.pt"},
    )
    truth = rows.filter(restorer="truth")
    assert truth["brightness"].to_list() == pytest.approx([clip.frames.mean() for clip in CLIPS])
    assert truth["fd_colours_video"].to_list() == pytest.approx([0.0] * 3, abs=1e-9)
    assert rows.filter(restorer="telea")["fd_colours_video"].min() > 0.0
    assert load_rows(tmp_path / "run" / "scores.parquet").equals(rows)

    distances = load_distances(tmp_path / "run")
    assert distances["restorer"].to_list() == ["truth", "telea"]
    assert distances["value"].to_list()[0] == pytest.approx(0.0, abs=1e-9)
    first = distances.row(1, named=True)
    assert (first["distance"], first["pooling"], first["extractor"]) == (
        "fd_colours",
        "pooled",
        "colours",
    )
    assert (first["seed"], first["mask_type"], first["resolution"]) == (3, "bbox", 32)
    assert (first["clip_length"], first["n_samples"], first["n_subjects"]) == (5, 15, 3)
    assert len(first["replicates"]) == 5

    assert [column.metric for column in table.columns][-1] == "fd_colours"
    best = next(row for row in table.rows if row.restorer == "truth").cells[-1]
    assert best.difference is not None
    assert best.difference.comparison.mean_difference < 0.0
    assert "Fréchet distance (colours)" in (tmp_path / "run" / "table.md").read_text()


def test_scorers_do_not_overwrite_each_other() -> None:
    with pytest.raises(ValueError, match=r"scorers: \['brightness'\] are given by two"):
        score_restorers([Truth()], iter(CLIPS), 0, "bbox", scorers=[brightness, brightness])
    with pytest.raises(ValueError, match="scorers: expected at least one, got none"):
        score_restorers([Truth()], iter(CLIPS), 0, "bbox", scorers=[])
    with pytest.raises(ValueError, match="rows: expected at least one row, got none"):
        score_restorers([Truth()], iter([]), 0, "bbox")


def test_clips_of_two_lengths_are_two_sets() -> None:
    distances = colours()
    clips = [CLIPS[0], tiny_clip(seed=9, frames=4, arrival=1)]
    rows = score_restorers(
        [Truth()], iter(clips), 0, "bbox", scorers=[brightness], distances=distances
    )
    with pytest.raises(ValueError, match=r"clip_length takes the values \[4, 5\]"):
        distance_rows(distances, rows)


class Short:
    """A restorer that loses a frame."""

    name = "short"

    def restore(self, clip: Clip) -> UInt8Array:
        return clip.frames[:-1]


def test_a_lost_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"restored and clip.frames .*\(4, 32, 32, 3\) and \(5,"):
        score_restorers([Short()], iter(CLIPS), 0, "bbox")
