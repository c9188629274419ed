"""Baselines that see one frame and nothing else."""

import cv2

from diffmvr.baselines.filling import fill_from, fill_holes
from diffmvr.preprocessing.inpainting import inpaint
from diffmvr.preprocessing.symmetry import mirror_visible_half
from diffmvr.structures import Clip, UInt8Array


class Occluded:
    """The input itself, nothing restored: what every restorer starts from."""

    name = "occluded"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return a copy of ``clip.observed``, ``[T, H, W, 3]`` uint8."""
        return clip.observed.copy()


class Telea:
    """Fast marching from the rim inward (Telea 2004), by OpenCV."""

    name = "telea"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        return _inpaint_clip(clip, cv2.INPAINT_TELEA)


class NavierStokes:
    """Isophotes continued into the hole (Bertalmio, Bertozzi and Sapiro 2001), by OpenCV."""

    name = "navier_stokes"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        return _inpaint_clip(clip, cv2.INPAINT_NS)


class Mirror:
    """The visible half of the face mirrored about its midline (paper 3.2), as it is.

    What is hidden on both sides, or mirrored from outside the frame, is filled by Telea.
    """

    name = "mirror"

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""

        def fill(t: int) -> UInt8Array:
            frame, mask = clip.observed[t], clip.mask[t]
            mirrored, known = mirror_visible_half(frame, mask, clip.track.midline[t])
            return fill_from(mirrored, known, frame, mask != 0)

        return fill_holes(clip, fill)


def _inpaint_clip(clip: Clip, method: int) -> UInt8Array:
    return fill_holes(clip, lambda t: inpaint(clip.observed[t], clip.mask[t] != 0, method))
