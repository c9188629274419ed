"""Rows of the real-face benchmark on disk, and the tables that are made of them."""

import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from diffmvr.evaluation.benchmark import save_table
from diffmvr.evaluation.frame_scores import FrameScores
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.reporting import comparison_table, rows_frame, save_rows, score_row
from diffmvr.reporting.frame_rows import load_frames, save_frames
from diffmvr.reporting.rows import load_rows
from diffmvr.reporting.tables import Column
from diffmvr.structures import Clip, UInt8Array

log = logging.getLogger("real_faces")

SEED = 0
KEY = ("restorer", "clip_id", "mask_type")

COLUMNS = (
    Column("psnr_hole", "PSNR hole", True),
    Column("psnr_hole_pooled", "PSNR hole, pooled", True),
    Column("ssim_hole", "SSIM hole", True, 3),
    Column("tc_hole_diff", "|TC − TC_gt| hole", False, 5),
    Column("warp_error_hole", "Warp error hole", False, 5),
    Column("landmark_error_hole", "Landmark error hole", False, 3),
    Column("blendshape_error", "Blendshape error", False, 4),
    Column("blendshape_error_changed", "Blendshape error, changed", False, 4),
    Column("blendshape_found", "Hidden faces found", True, 3),
)

AGES = (0.0, 6.0, 12.0, 18.0, 24.0)
SHARES = (0.0, 0.1, 0.2, 0.4, 0.6)


def scored(
    clip: Clip,
    restored: UInt8Array,
    name: str,
    mask_type: str,
    faces: RealFaceScorer,
    seconds: float,
    clip_length: int,
) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Return the row of a restored clip, and those of its hidden frames.

    Args:
        clip: with its truth.
        restored: ``[T, H, W, 3]`` uint8.
        name: who restored it.
        mask_type: for the record.
        faces: says where the face is and what it says.
        seconds: that a hidden frame took.
        clip_length: for the record; clips of one table are of one length.
    """
    scores = score_clip(restored, clip) | faces(restored, clip) | {"seconds_a_frame": seconds}
    row = score_row(name, clip, SEED, mask_type, scores)
    frames = FrameScores(mask_type, SEED, scorers=[faces])
    frames.add(name, restored, clip)
    log.info(
        "%s, %s, %s: hole %.2f dB, blendshapes %.4f, %.2f s a frame",
        *(clip.clip_id, mask_type, name, scores["psnr_hole"], scores["blendshape_error"]),
        seconds,
    )
    return [row | {"clip_length": clip_length}], frames.frame()


class RowFiles:
    """``scores`` and ``frames`` of a folder; several processes may add to them.

    Args:
        folder: of the results.
        lock: a file outside it, by which one process waits for another.
    """

    def __init__(self, folder: Path, lock: Path) -> None:
        self.folder, self.lock = folder, lock

    def add(self, rows: Sequence[Mapping[str, Any]], frames: pl.DataFrame) -> None:
        """Keep rows; those of the same system, recording, occluder and mask give way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.lock):
            scores = rows_frame(rows)
            if (self.folder / "scores.parquet").is_file():
                before = load_rows(self.folder / "scores.parquet")
                scores = _replaced(before, scores)
                frames = _replaced(load_frames(self.folder), frames)
            save_frames(frames.sort("mask_type", "clip_id", "restorer", "frame"), self.folder)
            # Last: what is in the scores counts as done.
            save_rows(scores.sort("mask_type", "clip_id", "restorer"), self.folder / "scores")

    def scores(self) -> pl.DataFrame:
        """Return the rows of clips.

        Raises:
            FileNotFoundError: if there are none.
        """
        return load_rows(self.folder / "scores.parquet")

    def frames(self) -> pl.DataFrame:
        """Return the rows of frames."""
        return load_frames(self.folder)

    def done(self, clip: str) -> set[tuple[str, str]]:
        """Return the systems and masks with rows of a recording and its occluder."""
        if not (self.folder / "scores.parquet").is_file():
            return set()
        own = self.scores().filter(pl.col("clip_id") == clip)
        return set(own.select("restorer", "mask_type").iter_rows())


def make_tables(files: RowFiles, reference: str, parts: Mapping[str, int]) -> None:
    """Write ``table_MASK`` (intervals by person), ``means.md`` and ``splits.md``.

    A table compares on what everybody has done; what somebody lacks is left out of it and said.

    Args:
        files: the rows; the tables are put beside them.
        reference: whom the others are compared with, if it is there.
        parts: by what the means are given, and which part of ``A_B`` names it in a clip's name.
    """
    rows, frames, folder = files.scores(), files.frames(), files.folder
    for mask in sorted(set(rows["mask_type"])):
        own = rows.filter(pl.col("mask_type") == mask)
        common = _done_by_all(own)
        if common.height < own.height:
            log.info("table_%s: %s", mask, _left_out(own, common))
        if common.is_empty():
            continue
        against = reference if reference in set(common["restorer"]) else None
        columns = [one for one in COLUMNS if common[one.metric].is_not_null().any()]
        table = comparison_table(_in_order(common), columns=columns, reference=against)
        save_table(table, folder, f"table_{mask}")
    (folder / "means.md").write_text(_means(rows, parts), encoding="utf-8")
    (folder / "splits.md").write_text(_splits(frames), encoding="utf-8")


def _replaced(before: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    kept = before.join(rows.select(KEY).unique(), on=KEY, how="anti")
    return pl.concat([kept, rows], how="diagonal")


def _done_by_all(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the clips that every system has restored."""
    systems = rows["restorer"].n_unique()
    counts = rows.group_by("clip_id").agg(pl.col("restorer").n_unique().alias("n"))
    return rows.join(counts.filter(pl.col("n") == systems).select("clip_id"), on="clip_id")


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort by the systems' PSNR in the hole, the lowest first."""
    mean = pl.col("psnr_hole").mean().over("restorer")
    return rows.sort(mean, pl.col("restorer"), pl.col("clip_id"), maintain_order=True)


def _left_out(rows: pl.DataFrame, common: pl.DataFrame) -> str:
    counts = rows.group_by("restorer").agg(pl.len()).sort("restorer")
    listed = ", ".join(f"{name} {number}" for name, number in counts.iter_rows())
    return f"{common['clip_id'].n_unique()} clips are common to all systems, which have {listed}"


def _means(rows: pl.DataFrame, parts: Mapping[str, int]) -> str:
    """Return means over clips for each value of some parts of their names."""
    text = ""
    for mask in sorted(set(rows["mask_type"])):
        own = _in_order(_done_by_all(rows.filter(pl.col("mask_type") == mask)))
        for metric, digits in (("psnr_hole", 2), ("blendshape_error", 4)):
            for by, place in parts.items():
                named = own.with_columns(pl.col("clip_id").str.split("_").list.get(place).alias(by))
                text += f"{metric}, {mask}, by {by}\n\n{_pivot(named, by, metric, digits)}\n"
    return text


def _splits(frames: pl.DataFrame) -> str:
    """Return means over hidden frames, split by what makes a frame hard.

    The expression has *changed* where the clean face is further from that of the newest clear frame
    than in the median of all hidden frames of the set.
    """
    clean = frames.filter(pl.col("blendshape_change").is_not_null())
    middle = clean["blendshape_change"].median()
    change = pl.col("blendshape_change")
    changed = pl.when(change > middle).then(pl.lit("changed")).when(change <= middle)
    frames = frames.with_columns(
        _binned("past_age", AGES).alias("age of the newest reference"),
        _binned("hidden_share", SHARES).alias("hidden share"),
        changed.then(pl.lit("same")).otherwise(pl.lit("unknown")).alias("expression"),
    )
    text = ""
    for mask in sorted(set(frames["mask_type"])):
        own = _in_order(_done_by_all(frames.filter(pl.col("mask_type") == mask)))
        for by in ("age of the newest reference", "hidden share", "expression"):
            for metric, digits in (("psnr_hole", 2), ("ssim_hole", 3), ("blendshape_error", 4)):
                text += f"{metric}, {mask}, by {by}\n\n{_pivot(own, by, metric, digits)}\n"
    return text


def _binned(name: str, edges: Sequence[float]) -> pl.Expr:
    """Name the interval that a value lies in, its upper end included."""
    labels = [f"{low:g}–{high:g}" for low, high in pairwise(edges)]
    bins = pl.col(name).cut(edges[1:], labels=[*labels, f"> {edges[-1]:g}"])
    return bins.cast(pl.String)


def _pivot(rows: pl.DataFrame, by: str, metric: str, digits: int) -> str:
    """Return a Markdown table: a row for each system, a column for each value of ``by``."""
    means = rows.group_by("restorer", by).agg(pl.col(metric).mean(), pl.len())
    values = sorted(set(means[by].drop_nulls()), key=_order)
    found = {(name, value): number for name, value, number, _ in means.iter_rows()}
    counts = {value: count for _, value, _, count in means.iter_rows()}
    lines = [
        "| System | " + " | ".join(f"{value} ({counts[value]})" for value in values) + " | mean |",
        "|---|" + "---:|" * (len(values) + 1),
    ]
    for name in dict.fromkeys(rows["restorer"]):
        own = [found.get((name, value)) for value in values]
        whole = rows.filter(pl.col("restorer") == name)[metric].mean()
        cells = ["—" if one is None else f"{one:.{digits}f}" for one in [*own, whole]]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _order(value: str) -> tuple[bool, float, str]:
    """Order ``6–12`` and ``> 24`` by number, other names by themselves."""
    low, _, high = value.partition("–")
    return value.startswith(">"), float(low) if high else 0.0, value
