"""Where the head is: guessed from the face, and told by what moved with it (ours).

From the face alone the head is an ellipse; hair, ears and how round a head is are not in it.  Where
the head has moved since a past frame, more is known of that frame.  A pixel that is seen again
where the head has taken it is the head's; one that is seen again where it was is not; one that is
*not* seen again where it was has gone with the head, even if a hand hides where to.  Between such
pixels, and where nothing is seen of either place, colours tell: what looks alike belongs together.
That is a guided filter (He, Sun and Tang 2010) in which each pixel counts as much as is known of
it, found in a coarse picture and applied to the fine one (He and Sun 2015).

h × w are the pixels of the past frame's reduced picture, c × d those of its coarse form.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.geometry import invert
from diffmvr.structures import FloatArray, UInt8Array

HEAD_CENTRE = (0.0, 0.3)
HEAD_AXES = (1.2, 1.6)
"""The head as an ellipse in canonical face coordinates (unit: the distance between the eyes): its
centre, and its half axes across and down."""

HEAD_EDGE = 0.08
"""Softness of the ellipse's edge, in radii."""

GUESS_EDGE = 0.2
"""The same where the ellipse is only what is guessed before anything is seen."""

FARTHEST = 1.4
"""So many radii from the ellipse's centre no hair and no ear is, whatever its colour."""

SAME = 60.0
"""Squared differences of grey levels below this are noise, light, and motion missed a little."""

REACH, SIMILAR = 0.1, 200.0
"""How far a pixel's colour speaks for others (standard deviation, in shares of the shorter side),
and which squared differences of grey levels are those of one colour."""

LEAST_SAY = 0.02
"""Weight of a pixel of which nothing is known, in that of one which is known for sure."""

FINE_SIDE = 32
"""Of larger pictures, colours are compared in a form with this shorter side."""

FloatImage = NDArray[np.float32]


def head_region(face: FloatArray, size: tuple[int, ...]) -> FloatImage:
    """Return how surely each pixel lies on the head, from the ellipse around the face.

    Args:
        face: ``[2, 3]``, canonical face → pixels.
        size: (height, width).

    Returns:
        ``[H, W]`` float32 in [0, 1].
    """
    return _logistic((1 - _radius(face, size)) / np.float32(HEAD_EDGE))


def moved_head(
    image: UInt8Array,
    mask: UInt8Array,
    face: FloatArray,
    with_head: FloatImage,
    standing: FloatImage,
    unseen: float,
) -> FloatImage:
    """Tell which pixels of a past frame are the head's, by where they are seen again.

    Args:
        image: ``[h, w, 3]`` uint8, the past frame; its hidden pixels are not looked at.
        mask: ``[h, w]`` 0/1, 1 = hidden.
        face: ``[2, 3]``, canonical face → its pixels.
        with_head: ``[h, w]``, mean squared difference, around each pixel, from what is visible now
            where the head has taken it.
        standing: ``[h, w]``, the same where it was.
        unseen: what both are where nothing is visible now.

    Returns:
        ``[h, w]`` float32 in [0, 1]; of hidden pixels, what is guessed.
    """
    check_shape("image", image, (*mask.shape, 3))
    check_same_shape("with_head", with_head, "standing", standing)
    radius = _radius(face, mask.shape)
    guess = (1 - radius) / np.float32(GUESS_EDGE)
    noise = np.float32(SAME)
    # How often likelier, if differences are normal, and of an unknown size.
    found = _logistic(guess + 2 * np.log((standing + noise) / (with_head + noise)))
    say = np.square(2 * found - 1) + np.float32(LEAST_SAY)
    say[mask != 0] = 0
    told = _by_colour(image, found, say)
    told *= _logistic((np.float32(FARTHEST) - radius) / np.float32(GUESS_EDGE))
    # Where neither place is visible a cloth of the skin's colour would be skin.
    blind = np.isclose(with_head, unseen, rtol=0.02) & np.isclose(standing, unseen, rtol=0.02)
    told[blind] = np.minimum(told, 2 * _logistic(guess))[blind]
    return np.where(mask == 0, told, _logistic(guess))


def _by_colour(image: UInt8Array, value: FloatImage, say: FloatImage) -> FloatImage:
    """Return ``[h, w]``, values smoothed along colours; each counts as much as it has say."""
    step = max(1, round(min(value.shape) / FINE_SIDE))
    size = [-(-side // step) for side in value.shape[::-1]]
    sigma = REACH * min(size)

    def coarse(field: Any) -> Any:
        return cv2.resize(field, size, interpolation=cv2.INTER_AREA) if step > 1 else field

    def blurred(field: Any) -> Any:
        return cv2.GaussianBlur(field, (0, 0), sigma)

    weight = coarse(say)
    # Hidden colours have no say, and are none before anything is averaged.
    colour = coarse(np.where(say[..., None] > 0, image, np.uint8(0)).astype(np.float32))
    wanted = coarse(value)
    total = blurred(weight) + np.float32(1e-6)
    middle = blurred(colour * weight[..., None]) / total[..., None]
    level = blurred(wanted * weight) / total
    away = blurred(colour * (wanted * weight)[..., None]) / total[..., None]
    spread = _products(colour, weight, blurred) / total[..., None, None]
    spread -= middle[..., :, None] * middle[..., None, :]
    spread += np.float32(SIMILAR) * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, (away - middle * level[..., None])[..., None])[..., 0]
    start = level - (slope * middle).sum(axis=-1)
    # Every neighbourhood that a pixel is in has a line for it; they are averaged.
    lines = blurred(np.dstack([slope, start]) * total[..., None]) / blurred(total)[..., None]
    if step > 1:
        lines = cv2.resize(lines, value.shape[::-1], interpolation=cv2.INTER_LINEAR)
    told = (lines[..., :3] * image).sum(axis=-1) + lines[..., 3]
    return np.clip(told, 0, 1).astype(np.float32)


def _products(colour: FloatImage, weight: FloatImage, blurred: Any) -> FloatImage:
    """Return ``[c, d, 3, 3]``, weighted sums of products of two channels around each pixel."""
    products = np.empty((*weight.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(i, 3):
            pair = blurred(colour[..., i] * colour[..., j] * weight)
            products[..., i, j] = products[..., j, i] = pair
    return products


def _radius(face: FloatArray, size: tuple[int, ...]) -> FloatImage:
    """Return ``[H, W]``, distances from the ellipse's centre in its radii."""
    check_shape("face", face, (2, 3))
    way, axes = invert(face), np.array(HEAD_AXES)
    across, down, start = way[:, 0] / axes, way[:, 1] / axes, (way[:, 2] - HEAD_CENTRE) / axes
    columns, rows = (np.arange(side, dtype=np.float32) for side in size[::-1])
    u, v = (
        (np.float32(across[k]) * columns)[None]
        + (np.float32(down[k]) * rows + np.float32(start[k]))[:, None]
        for k in (0, 1)
    )
    return np.asarray(np.sqrt(u * u + v * v), np.float32)


def _logistic(odds: FloatImage) -> FloatImage:
    # Far away the exponential would overflow.
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))), np.float32)
