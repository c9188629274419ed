"""Score restorers on clips whose truth is known, and compare them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import torch

from diffmvr.files import write_json
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.metrics.set_distances import SetDistances
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.progress import ProgressBars
from diffmvr.reporting import (
    Column,
    Table,
    comparison_table,
    rows_frame,
    save_rows,
    score_row,
    to_csv,
    to_markdown,
)
from diffmvr.reporting.comparison import default_columns
from diffmvr.reporting.distance_rows import POOLED, distances_frame, save_distances
from diffmvr.reporting.run_collection import MISSING_FILE
from diffmvr.structures import Clip, Restorer, UInt8Array, to_pixel_values, to_uint8

OWN_DIGITS = 4
"""Decimals of a score of the user's own, of which nothing is known but its name."""

ClipScorer = Callable[[UInt8Array, Clip], Mapping[str, float]]
"""(restored ``[T, H, W, 3]`` uint8, its clip) → scores by name, NaN where there is none.

One of a user's own says in ``higher_is_better``, its attribute, by name which way is good."""


@dataclass(frozen=True)
class Scoring:
    """What is measured of restored clips (``conf/scoring``).

    Attributes:
        scorers: by what the configuration calls them; each gives some of a restored clip's scores.
        distances: takes in every restored clip, for the distances between sets; ``None``: none.
    """

    scorers: Mapping[str, ClipScorer]
    distances: SetDistances | None = None

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """The columns of scores whose scorers say themselves which way is good.

        Raises:
            ValueError: if one says something else than true or false by name.
        """
        columns = []
        for key, scorer in self.scorers.items():
            # Hydra's _partial_ wraps a function.
            told = getattr(getattr(scorer, "func", scorer), "higher_is_better", {})
            if not isinstance(told, Mapping) or not all(isinstance(v, bool) for v in told.values()):
                raise ValueError(
                    f"scoring.scorers.{key}: higher_is_better: expected true or false by the name "
                    f"of a score, got {told!r}"
                )
            columns += [Column(name, name, better, OWN_DIGITS) for name, better in told.items()]
        return tuple(columns)


class AutoencoderCeiling:
    """What the autoencoder alone makes of the truth: no model over its latents can score higher.

    It looks at ``clip.frames``, so it is a bound and not a competitor.
    """

    name = "autoencoder (bound)"

    def __init__(self, pipeline: DiffMVRPipeline) -> None:
        self._vae = pipeline.vae

    @torch.no_grad()
    def restore(self, clip: Clip) -> UInt8Array:
        """Return the reconstructed truth inside the mask, the observed frame outside."""
        if clip.frames is None:
            raise ValueError(f"clip {clip.clip_id}: the bound needs the true frames, got none")
        truth = to_pixel_values(clip.frames).to(self._vae.device)
        decoded = decode_latents(self._vae, encode_latents(self._vae, truth))
        filled = to_uint8(decoded, clip.frame_index.tolist(), f"{self.name}, clip {clip.clip_id}")
        hidden = clip.mask[..., None] > 0
        restored: UInt8Array = clip.observed.copy()
        restored[hidden[..., 0]] = filled[hidden[..., 0]]
        return restored


def score_restorers(
    restorers: Sequence[Restorer],
    clips: Iterable[Clip],
    seed: int,
    mask_type: str,
    total: int | None = None,
    scorers: Sequence[ClipScorer] = (score_clip,),
    distances: SetDistances | None = None,
) -> pl.DataFrame:
    """Restore every clip with every restorer and score it.

    Args:
        restorers: the competitors.
        clips: clips with known truth, read once each.
        seed: seed of the restorers' randomness, for the record.
        mask_type: ``segmentation`` or ``bbox``, for the record.
        total: number of clips, for the progress bar.
        scorers: each gives some of a restored clip's scores, by name.
        distances: takes in every restored clip, for the distances between sets.

    Returns:
        One row per clip and restorer.

    Raises:
        ValueError: if there is no scorer, two of them give a score of the same name, or there is
            no clip.
    """
    if not scorers:
        raise ValueError("scorers: expected at least one, got none")
    rows = []
    with ProgressBars() as progress:
        task = progress.add_task("scoring", total=total, unit="clips")
        for clip in clips:
            for restorer in restorers:
                restored = restorer.restore(clip)
                scores = _merged(scorer(restored, clip) for scorer in scorers)
                if distances is not None:
                    scores = _merged([scores, distances.add(restorer.name, restored, clip)])
                rows.append(score_row(restorer.name, clip, seed, mask_type, scores))
                # In parts of a clip, which a slow restorer takes minutes for.
                progress.update(task, completed=len(rows) / len(restorers))
    return rows_frame(rows)


def _merged(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for part in parts:
        repeated = sorted(scores.keys() & part.keys())
        if repeated:
            raise ValueError(f"scorers: {repeated} are given by two of them; leave one out")
        scores |= part
    return scores


def distance_rows(distances: SetDistances, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the collected distances as rows, under the conditions of the per-clip rows.

    Args:
        distances: has taken in every restored clip.
        rows: the per-clip rows of the same clips.

    Raises:
        ValueError: if the rows mix conditions: clips of two sizes or lengths are two sets.
    """
    conditions = {}
    for name in ("seed", "mask_type", "resolution", "clip_length"):
        values = rows[name].unique().sort().to_list()
        if len(values) > 1:
            raise ValueError(
                f"rows: {name} takes the values {values}; a distance between sets needs clips of "
                "one kind, so score them apart"
            )
        conditions[name] = values[0]
    return distances_frame(
        {**asdict(found), **conditions, "pooling": POOLED, "replicates": list(found.replicates)}
        for found in distances.compute()
    )


def benchmark_table(
    rows: pl.DataFrame,
    reference: str,
    missing: Mapping[str, str] | None = None,
    distances: pl.DataFrame | None = None,
    own: Sequence[Column] = (),
) -> Table:
    """Compare every restorer with ``reference``: bootstrap over subjects, paired, 95 %.

    Args:
        rows: the per-clip rows.
        reference: restorer the others are compared with.
        missing: restorers that could not run, with the reason.
        distances: distances between sets, shown in columns of their own.
        own: more columns than every table has, where the rows have the scores.
    """
    shown = default_columns(rows)
    names = {column.metric for column in shown}
    shown += tuple(c for c in own if c.metric in rows.columns and c.metric not in names)
    return comparison_table(
        rows, columns=shown, reference=reference, missing=missing, distances=distances
    )


def run_benchmark(
    restorers: Sequence[Restorer],
    clips: Iterable[Clip],
    scoring: Scoring,
    output: Path,
    *,
    reference: str,
    seed: int,
    mask_type: str,
    total: int | None = None,
    missing: Mapping[str, str] | None = None,
) -> tuple[pl.DataFrame, Table]:
    """Score restorers, compare them and write rows, distances and table into a folder.

    See :func:`score_restorers` and :func:`benchmark_table` for the arguments.

    Returns:
        The per-clip rows and the table.
    """
    rows = score_restorers(
        restorers,
        clips,
        seed,
        mask_type,
        total,
        list(scoring.scorers.values()),
        scoring.distances,
    )
    own = scoring.own_columns
    return rows, save_benchmark(rows, scoring.distances, output, reference, missing, own)


def save_benchmark(
    rows: pl.DataFrame,
    collected: SetDistances | None,
    output: Path,
    reference: str,
    missing: Mapping[str, str] | None = None,
    own: Sequence[Column] = (),
) -> Table:
    """Compare restorers that have been scored, and write rows, distances and table into a folder.

    Args:
        rows: the per-clip rows.
        collected: has taken in every restored clip.
        output: the folder.
        reference: restorer the others are compared with.
        missing: restorers that could not run, with the reason.
        own: more columns than every table has.
    """
    # Before anything else can go wrong: the rows are what took time.
    save_rows(rows, output / "scores")
    distances = None
    if collected is not None:
        distances = distance_rows(collected, rows)
        save_distances(distances, output)
    table = benchmark_table(rows, reference, missing, distances, own)
    save_table(table, output)
    return table


def save_missing(missing: Mapping[str, str], folder: Path) -> None:
    """Write who could not be built and why; without any, remove what an earlier run wrote."""
    path = folder / MISSING_FILE
    if missing:
        write_json(path, dict(missing))
    else:
        path.unlink(missing_ok=True)


def save_table(table: Table, folder: Path, name: str = "table") -> None:
    """Write a table as Markdown and CSV, and without its intervals as ``NAME_short.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(to_markdown(table) + "\n", encoding="utf-8")
    (folder / f"{name}_short.md").write_text(to_markdown(table, "verdict") + "\n", encoding="utf-8")
    (folder / f"{name}.csv").write_text(to_csv(table), encoding="utf-8")
