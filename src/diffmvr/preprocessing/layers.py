"""Carry a past frame onto the current one in layers: the head and what is behind it.

A hole shows skin and background, and no single motion carries both.  Three hypotheses say where a
current pixel was in the past frame: it moved with the head; it moved as the dense flow of the
surroundings does; it stood still in the recording.  Each pixel takes their mean, weighted by how
well each explains what is visible nearby, and by whether the pixel lies on the head.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_shape
from diffmvr.geometry import invert
from diffmvr.preprocessing.alignment import propagate_past
from diffmvr.preprocessing.symmetry import GREY
from diffmvr.structures import FloatArray, UInt8Array

HEAD_CENTRE = (0.0, 0.3)
HEAD_AXES = (1.2, 1.6)
"""The head as an ellipse in canonical face coordinates (unit: the distance between the eyes): its
centre, and its half axes across and down."""

HEAD_EDGE = 0.08
"""Softness of the ellipse's edge, in radii."""

PRIOR = 0.9
"""Weight of the head's motion on the head, and of the others off it; the rest is 1 − PRIOR."""

NEIGHBOURHOOD = 0.03
"""Width (standard deviation, in shares of the frame's shorter side) of the neighbourhood in which
the hypotheses are compared."""

LARGEST_ERROR = 2000.0
"""Squared differences of grey levels count up to this much: one wrong edge is no worse than two."""

UNSEEN_ERROR, UNSEEN_WEIGHT = 300.0, 1e-4
"""Where nothing visible is near, every hypothesis is given this error."""


@dataclass(frozen=True)
class Motions:
    """How the current frame came from the past one.

    Attributes:
        head: ``[2, 3]``, past pixels → current pixels on the head.
        surroundings: ``[2, 3]``, the same for what stands still in the recording.
        face: ``[2, 3]``, canonical face → current pixels.
    """

    head: FloatArray
    surroundings: FloatArray
    face: FloatArray


def propagate_in_layers(
    past_image: UInt8Array,
    past_mask: UInt8Array,
    current_image: UInt8Array,
    current_mask: UInt8Array,
    motions: Motions,
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show the past frame's content where the current frame would show it, layer by layer.

    Args:
        past_image: ``[H, W, 3]`` uint8.
        past_mask: ``[H, W]`` 0/1, 1 = hidden in the past frame.
        current_image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        current_mask: ``[H, W]`` 0/1, 1 = hidden in the current frame.
        motions: the known motions.

    Returns:
        ``[H, W, 3]`` uint8, grey (128) where unknown, and ``[H, W]`` bool, True where known.
    """
    frames = past_image, past_mask, current_image, current_mask
    hypotheses = (
        propagate_past(*frames, motions.head, refine=True),
        propagate_past(*frames, motions.surroundings, refine=True),
        propagate_past(*frames, motions.surroundings, refine=False),
    )
    head = head_region(motions.face, current_mask.shape)
    off_head = 1 - head
    total = np.zeros((*current_mask.shape, 1), np.float32)
    blend = np.zeros(current_image.shape, np.float32)
    for (image, known), region in zip(hypotheses, (head, off_head, off_head), strict=True):
        prior = PRIOR * region + (1 - PRIOR) * (1 - region)
        error = _nearby_error(image, known, current_image, current_mask)
        weight = np.where(known, prior / error**2, 0)[..., None]
        blend += weight * image
        total += weight
    known = total[..., 0] > 0
    image = np.full_like(current_image, GREY)
    image[known] = np.rint(blend[known] / total[known])
    return image, known


def head_region(face: FloatArray, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return how surely each pixel lies on the head, from the ellipse around the face.

    Args:
        face: ``[2, 3]``, canonical face → pixels.
        size: (height, width).

    Returns:
        ``[H, W]`` float32 in [0, 1].
    """
    check_shape("face", face, (2, 3))
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
    canonical = cv2.transform(pixels, invert(face))
    radius = np.linalg.norm((canonical - HEAD_CENTRE) / HEAD_AXES, axis=-1)
    # Far outside the exponential would overflow.
    return (1 / (1 + np.exp(np.clip((radius - 1) / HEAD_EDGE, -50, 50)))).astype(np.float32)


def _nearby_error(
    image: UInt8Array, known: NDArray[np.bool_], current: UInt8Array, mask: UInt8Array
) -> NDArray[np.float32]:
    """Return the mean squared difference from what is visible around each pixel."""
    compared = (known & (mask == 0)).astype(np.float32)
    error = ((image.astype(np.float32) - current) ** 2).mean(axis=-1)
    error = np.minimum(error, LARGEST_ERROR) * compared
    sigma = NEIGHBOURHOOD * min(mask.shape)
    near = [cv2.GaussianBlur(part, (0, 0), sigma) for part in (error, compared)]
    return (near[0] + UNSEEN_WEIGHT * UNSEEN_ERROR) / (near[1] + UNSEEN_WEIGHT)
