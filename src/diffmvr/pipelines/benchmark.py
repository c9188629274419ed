"""Score restorers on clips whose truth is known, and compare them."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl
import torch
from rich.progress import track

from diffmvr.metrics.bootstrap import paired_bootstrap
from diffmvr.metrics.clip_scores import score_clip
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.reporting import Table, comparison_table, rows_frame, score_row, to_csv, to_markdown
from diffmvr.structures import Clip, Restorer, UInt8Array, to_pixel_values, to_uint8

log = logging.getLogger(__name__)


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
        filled = to_uint8(decode_latents(self._vae, encode_latents(self._vae, truth)))
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
) -> pl.DataFrame:
    """Restore every clip with every restorer and score it.

    Args:
        restorers: the competitors.
        clips: clips with known truth, read once each.
        seed: seed of the restorers' randomness, for the record.
        mask_type: ``segmentation`` or ``bbox``, for the record.
        total: number of clips, for the progress bar.

    Returns:
        One row per clip and restorer.
    """
    rows = [
        score_row(restorer.name, clip, seed, mask_type, score_clip(restorer.restore(clip), clip))
        for clip in track(clips, "scoring", total=total)
        for restorer in restorers
    ]
    return rows_frame(rows)


def benchmark_table(
    rows: pl.DataFrame, reference: str, missing: Mapping[str, str] | None = None
) -> Table:
    """Compare every restorer with ``reference``: paired bootstrap over subjects, 95 %."""
    return comparison_table(rows, reference=reference, compare=paired_bootstrap, missing=missing)


def save_table(table: Table, folder: Path, name: str = "table") -> None:
    """Write a table as Markdown and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(to_markdown(table) + "\n")
    (folder / f"{name}.csv").write_text(to_csv(table))
