"""Eq. 3: the motion-consistency loss over consecutive frames.

L_motion = (2/N) Σ ‖y_t − y_{t−1}‖² over the N−1 pairs of a clip of N frames.

B clips, T frames (the paper's N), c × h × w latents.
"""

from typing import Any

from torch import Tensor, nn

from diffmvr.checks import check_one_of, check_same_shape, check_shape
from diffmvr.losses.estimates import predict_clean, predict_previous

ON = ("pred_x0", "pred_prev", "noisy")
REFERENCES = ("zero", "target")


def motion_consistency_loss(latents: Tensor, reference: Tensor | None = None) -> Tensor:
    """Return Eq. 3, with ‖·‖² the mean over latent elements (decisions 5).

    The paper sums from t = 1 with y_0, which does not exist; the pairs are (t−1, t), t = 2 … N.

    Args:
        latents: ``[B, T, c, h, w]``, T ≥ 1; one frame has no pairs and gives 0.
        reference: ``[B, T, c, h, w]`` or None.  None pulls every change to zero (the paper); given,
            only the difference from the reference's own change is penalised (decisions 6).

    Returns:
        A scalar, the mean over clips.

    Example:
        Latents that grow by 1 in each of 4 frames, 2/4 · (1 + 1 + 1); and against themselves:

        >>> import torch
        >>> latents = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(1, 4, 4, 8, 8)
        >>> [float(motion_consistency_loss(latents, given)) for given in (None, latents)]
        [1.5, 0.0]
    """
    check_shape("latents", latents, (None, None, None, None, None))
    change = latents[:, 1:] - latents[:, :-1]
    if reference is not None:
        check_same_shape("latents", latents, "reference", reference)
        change = change - (reference[:, 1:] - reference[:, :-1])
    frames = latents.shape[1]
    if frames == 1:
        return latents.sum() * 0.0
    per_pair = change.square().mean(dim=(2, 3, 4))  # [B, T-1]
    return (2.0 / frames) * per_pair.sum(dim=1).mean()


class MotionConsistencyLoss(nn.Module):
    """λ · L_motion on a chosen estimate of the latents (decisions 4).

    Args:
        weight: λ of Eq. 2.
        on: ``pred_x0`` (Tweedie's estimate of the clean latents), ``pred_prev`` (the one-step
            denoised latents) or ``noisy`` (Eq. 3 as printed: the forward-noised latents do not
            depend on the U-Net, so the gradient is exactly zero; kept for the record).
        reference: ``zero`` (the paper) or ``target`` (the true change of the clean latents).
    """

    def __init__(self, weight: float = 0.1, on: str = "pred_x0", reference: str = "zero") -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"weight: λ must not be negative, got {weight}")
        check_one_of("loss.motion.on", on, ON)
        check_one_of("loss.motion.reference", reference, REFERENCES)
        self.weight = weight
        self.on = on
        self.reference = reference

    def forward(
        self,
        output: Tensor,
        noisy: Tensor,
        clean: Tensor,
        scheduler: Any,
        timesteps: Tensor,
        frames: int,
    ) -> Tensor:
        """Return L_motion, not yet multiplied by λ.

        Args:
            output: ``[B·T, c, h, w]``, the U-Net's prediction (ε or v).
            noisy: ``[B·T, c, h, w]``, its noisy input latents.
            clean: ``[B·T, c, h, w]``, the true latents.
            scheduler: the diffusers noise schedule.
            timesteps: ``[B·T]`` int, equal within a clip.
            frames: T.
        """
        estimate = {
            "pred_x0": lambda: predict_clean(scheduler, output, noisy, timesteps),
            "pred_prev": lambda: predict_previous(scheduler, output, noisy, timesteps),
            "noisy": lambda: noisy,
        }[self.on]()
        reference = clean.unflatten(0, (-1, frames)) if self.reference == "target" else None
        return motion_consistency_loss(estimate.unflatten(0, (-1, frames)), reference)
