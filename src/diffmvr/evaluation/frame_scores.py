"""Scores of single frames, collected while clips are restored."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch

from diffmvr.metrics.images import mean_where
from diffmvr.metrics.psnr import frame_psnr
from diffmvr.metrics.ssim import ssim_map
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.reporting.frame_rows import frames_frame
from diffmvr.structures import CLEAR_THRESHOLD, Clip, FloatArray, Restorer, UInt8Array


@runtime_checkable
class FrameScorer(Protocol):
    """What scores every frame of a restored clip; see ``RealFaceScorer.frame_scores``."""

    def frame_scores(self, restored: UInt8Array, clip: Clip) -> Mapping[str, FloatArray]:
        """Return ``[T]`` scores by name, NaN where there is none."""
        ...


class FrameScores:
    """Keeps the scores of every hidden frame that the watched restorers restore.

    Args:
        mask_type: for the record.
        seed: for the record.
        clear_threshold: the largest hidden share of the face box of an unobstructed frame.
        scorers: give further scores of each frame; the others among them are passed over.
    """

    def __init__(
        self,
        mask_type: str,
        seed: int,
        clear_threshold: float = CLEAR_THRESHOLD,
        scorers: Sequence[object] = (),
    ) -> None:
        self.mask_type = mask_type
        self.seed = seed
        self.clear_threshold = clear_threshold
        self._scorers = [scorer for scorer in scorers if isinstance(scorer, FrameScorer)]
        self._rows: list[dict[str, Any]] = []

    def watch(self, restorer: Restorer) -> Restorer:
        """Return the restorer, everything it restores being scored frame by frame."""
        return _Watched(restorer, self)

    def add(self, restorer: str, restored: UInt8Array, clip: Clip) -> None:
        """Score the frames of one clip that have a hole.

        Raises:
            ValueError: if the ground truth is unknown.
        """
        if clip.frames is None:
            raise ValueError(f"clip: {clip.clip_id!r} has no ground truth, so it cannot be scored")
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        share = occluded_share(clip.mask, clip.track.face_box)
        past = past_clear_index(share, self.clear_threshold)
        preds, target = (
            torch.from_numpy(images[hidden]).movedim(-1, 1) for images in (restored, clip.frames)
        )
        mask = torch.from_numpy(clip.mask[hidden] != 0)
        psnr = frame_psnr(preds, target, mask[:, None])
        ssim = mean_where(ssim_map(preds, target), mask)
        more: dict[str, FloatArray] = {}
        for scorer in self._scorers:
            more |= scorer.frame_scores(restored, clip)
        self._rows += [
            {
                "restorer": restorer,
                "clip_id": clip.clip_id,
                "subject_id": clip.subject_id,
                "mask_type": self.mask_type,
                "seed": self.seed,
                "frame": int(t),
                "hidden_share": float(share[t]),
                "past_age": int(t - past[t]) if past[t] >= 0 else None,
                "psnr_hole": float(psnr[row]),
                "ssim_hole": float(ssim[row]),
                **{name: _number(values[t]) for name, values in more.items()},
            }
            for row, t in enumerate(hidden)
        ]

    def frame(self) -> pl.DataFrame:
        """Return what was collected.

        Raises:
            ValueError: if nothing was.
        """
        return frames_frame(self._rows)


def _number(value: float) -> float | None:
    """Return a score, null where there is none."""
    return None if np.isnan(value) else float(value)


class _Watched:
    def __init__(self, restorer: Restorer, scores: FrameScores) -> None:
        self.name = restorer.name
        self._restorer = restorer
        self._scores = scores

    def restore(self, clip: Clip) -> UInt8Array:
        restored = self._restorer.restore(clip)
        self._scores.add(self.name, restored, clip)
        return restored
