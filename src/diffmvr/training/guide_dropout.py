"""Leaving guides out in training, so that the network learns to do with what is left.

B clips, N = B·T frames, G guides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from diffmvr.checks import check_number, check_one_of
from diffmvr.models.conditioning import Conditions
from diffmvr.training.draws import SharedDraws

SETTING = "model.guide_latent_dropout"


class GuideDropout:
    """Leaves guides out of whole clips.

    One number is the share of clips whose guide latents are all zeroed, with the reference made of
    them, so that one base serves both pathways; tokens stay.  Numbers by kind leave out one guide
    at a time, as if it did not exist: its latents are zeroed, its tokens are the null embedding,
    and with the past guide goes the reference.  Where the past is left out, the visible half is
    the only witness of the face.

    Args:
        shares: one number in [0, 1], or one for each kind of guide that is ever left out.
        kinds: the guides in order.

    Raises:
        ValueError: if a share is out of range, or of a guide that there is not.
    """

    def __init__(self, shares: float | Mapping[str, float], kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        by_kind = dict(shares) if isinstance(shares, Mapping) else {}
        for kind, share in by_kind.items():
            check_one_of(SETTING, kind, self.kinds)
            check_number(f"{SETTING}.{kind}", share, 0.0, 1.0)
        self.by_kind = {kind: float(share) for kind, share in by_kind.items()}
        self.all = 0.0
        if not isinstance(shares, Mapping):
            check_number(SETTING, shares, 0.0, 1.0)
            self.all = float(shares)

    def __call__(self, conditions: Conditions, clips: int, draws: SharedDraws) -> Conditions:
        """Return the conditions of B clips with some guides left out.

        Args:
            conditions: of N frames.
            clips: B.
            draws: of the batch; nothing is drawn for a share of 0.
        """
        frames = len(conditions) // clips
        for kind, share in self.by_kind.items():
            if share > 0:
                keep = draws.uniform(clips) >= share
                keep = keep.repeat_interleave(frames).to(conditions.mask.device)
                conditions = _without(conditions, self.kinds.index(kind), kind == "past", keep)
        if self.all > 0:
            keep = draws.uniform(clips) >= self.all
            keep = keep.repeat_interleave(frames).to(conditions.mask.device)
            conditions = replace(
                conditions,
                guide_latents=conditions.guide_latents * keep[:, None, None, None, None],
                reference_latents=conditions.reference_latents * keep[:, None, None, None],
            )
        return conditions


def _without(conditions: Conditions, guide: int, is_past: bool, keep: Tensor) -> Conditions:
    """Leave guide number ``guide`` out of the frames that ``keep``, ``[N]`` bool, does not name."""
    valid = conditions.guide_valid.clone()
    valid[:, guide] &= keep
    latents = conditions.guide_latents
    if latents.shape[1]:
        kept = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
        kept[:, guide] = keep
        latents = latents * kept[:, :, None, None, None]
    reference = conditions.reference_latents
    if is_past:
        reference = reference * keep[:, None, None, None]
    return replace(
        conditions, guide_valid=valid, guide_latents=latents, reference_latents=reference
    )
