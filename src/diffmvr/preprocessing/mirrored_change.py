"""What has changed in the visible half of a face has changed in the hidden one, too (ours).

Past frames know the hidden half: its skin, its light, its asymmetries.  They do not know what the
face does now, which the visible half shows.  The mirror image would bring the other half's skin and
light with it.  So neither is shown, but their difference: by how much the visible half misses what
the past frames show there is mirrored about the face's axis and added to what they show in the
hole.  It is the difference of two expressions of one face, as Liu, Shan and Zhang (2001) carry
their ratio from face to face; here from one half to the other.

Where the past frames explain the visible half, as they do while a face rests or a bank of them
knows the expression, nothing changes: small differences are noise and motion that was missed a
little, and count nothing.  A head that is turned aside is not symmetric in the picture; there the
change lands beside its place.

H × W are the pixels of a picture.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_shape
from diffmvr.geometry import compose, invert
from diffmvr.structures import FloatArray, UInt8Array

CENTRE, AXES, EDGE = (0.0, 0.55), (0.85, 1.0), 0.1
"""Where a face is symmetric, as an ellipse in canonical face coordinates (unit: the distance
between the eyes): brows to chin, without hair, ears and what is behind the head; and the width of
its edge in radii."""

BROAD, FINE = 0.12, 0.004
"""Widths (standard deviations, in shares of the shorter side) between which differences are those
of an expression: broader ones are light, finer ones noise."""

LEAST, NEARBY = 5.0, 0.03
"""Root mean square of the difference around a pixel, in grey levels, up to which it counts nothing;
it counts whole from twice that.  And the width of "around", in shares of the shorter side.  Chosen
on fifteen people of the London Set with half the face hidden, and on two real recordings."""

SOFTNESS = 0.01
"""Width of the transition at the hole's rim, in shares of the shorter side."""

ALL_SEEN = 0.99
"""Least share of a mirrored pixel that is visible."""

FloatImage = NDArray[np.float32]


def reflection_in(face: FloatArray) -> FloatArray:
    """Return the ``[2, 3]`` reflection of pixels about a face's axis.

    Args:
        face: ``[2, 3]``, canonical face → pixels.
    """
    check_shape("face", face, (2, 3))
    return compose(face, compose(np.array([[-1.0, 0, 0], [0, 1, 0]]), invert(face)))


def symmetric_region(face: FloatArray, size: tuple[int, ...]) -> FloatImage:
    """Return ``[H, W]`` in [0, 1], how far each pixel lies where a face is symmetric.

    Args:
        face: ``[2, 3]``, canonical face → pixels.
        size: (height, width).
    """
    check_shape("face", face, (2, 3))
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
    canonical = cv2.transform(pixels, invert(face))
    radius = np.linalg.norm((canonical - CENTRE) / AXES, axis=-1)
    return np.clip((1 - radius) / EDGE + 0.5, 0, 1).astype(np.float32)


def mirrored_change(
    shown: FloatImage,
    known: NDArray[np.bool_],
    image: UInt8Array,
    mask: UInt8Array,
    face: FloatArray,
) -> FloatImage:
    """Return what is to be added to a filling so that both halves have changed alike.

    Args:
        shown: ``[H, W, 3]`` in [0, 255], the filling, shown outside the hole as well.
        known: ``[H, W]`` bool, where it is known.
        image: ``[H, W, 3]`` uint8, the current frame; its hidden pixels are not looked at.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        face: ``[2, 3]``, canonical face → pixels.

    Returns:
        ``[H, W, 3]`` float32 in grey levels; 0 outside the hole, where the mirrored pixel is hidden
        or unknown, and off the face.
    """
    side, size = min(mask.shape), mask.shape[::-1]
    compared = ((mask == 0) & known).astype(np.float32)
    change = (image.astype(np.float32) - shown) * compared[..., None]
    local = (_mean(change, compared, FINE * side) - _mean(change, compared, BROAD * side)) * (
        compared[..., None]
    )
    reflection = reflection_in(face)
    mirrored: Any = cv2.warpAffine(local, reflection, size, flags=cv2.INTER_LINEAR)
    seen: Any = cv2.warpAffine(compared, reflection, size, flags=cv2.INTER_LINEAR)
    hole = ((mask != 0) & (seen >= ALL_SEEN)).astype(np.float32)
    inside: Any = cv2.erode(hole, np.ones((3, 3), np.uint8))
    share = _blur(inside, SOFTNESS * side) * hole * symmetric_region(face, mask.shape)
    strength = np.sqrt(_blur((mirrored**2).mean(axis=2), NEARBY * side))
    share *= np.clip(strength / LEAST - 1, 0, 1)
    return np.asarray(mirrored * share[..., None], np.float32)


def _mean(values: FloatImage, weight: FloatImage, sigma: float) -> FloatImage:
    """Return the mean around each pixel, ``[H, W, 3]``; ``values`` are 0 where the weight is."""
    share = np.maximum(_blur(weight, sigma), np.float32(1e-3))
    return np.asarray(_blur(values, sigma) / share[..., None], np.float32)


def _blur(field: FloatImage, sigma: float) -> FloatImage:
    blurred: Any = cv2.GaussianBlur(field, (0, 0), sigma)
    return blurred
