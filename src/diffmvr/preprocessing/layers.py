"""Carry a past frame onto the current one in layers: the head and what is behind it.

A hole shows skin and background, and no single motion carries both.  Three hypotheses say where a
current pixel was in the past frame: it moved with the head; it moved as the dense flow of the
surroundings does; it stood still in the recording.  Each pixel takes their mean, weighted by how
well each explains what is visible nearby, and by whether the pixel lies on the head.

Motions and weights are smooth, so they are found in pictures that are reduced where they are large
(``find_layers``); the past frame's own pixels are then read once by each hypothesis
(``show_layers``).  H × W are the pixels of the current frame, h × w those of its reduced picture;
the past frame may have a size of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.geometry import compose, invert, move_points, zoom_of
from diffmvr.preprocessing.alignment import (
    FLOW_SIZE,
    PASSES,
    TOLERANCE,
    FlowArray,
    FlowPass,
    refine_by_flow,
    residual_positions,
)
from diffmvr.preprocessing.mirrored_change import mirrored_change
from diffmvr.preprocessing.picture import Picture
from diffmvr.preprocessing.visible import GREY, Shown, look_up, move
from diffmvr.structures import FloatArray, UInt8Array

REDUCED_PASSES = (
    FlowPass(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST),
    FlowPass(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST),
    FlowPass(cv2.DISOPTICAL_FLOW_PRESET_FAST, finest=0, checked=False),
)
REDUCED_TOLERANCE = 1.0
"""A pixel of a reduced picture is several of the frame, so that the last pass of its flow goes to
the finest scale.  Chosen on four recordings of real faces.  Against the flow of the whole frame,
three others came out 0.1 dB better on the mean (one 0.7 better, one 0.5 worse), at a quarter of the
CPU time."""

HEAD_CENTRE = (0.0, 0.3)
HEAD_AXES = (1.2, 1.6)
"""The head as an ellipse in canonical face coordinates (unit: the distance between the eyes): its
centre, and its half axes across and down."""

NO_BACKGROUND, STANDS = 0.98, 0.05
"""By how much less the past frame is believed of what its head hid, where the head is elsewhere
now; a head that has moved by less than so many distances between the eyes is not."""

NEAR_HEAD = 1.15
"""Only so near to the head, in its radii, does what moved with it stand in for background that it
hid before (the ellipse leaves some hair out).  Farther away that is not known: the cloth below a
past chin would hang in the air."""

HEAD_EDGE = 0.08
"""Softness of the ellipse's edge, in radii."""

PRIOR = 0.9
"""Weight of the head's motion on the head, and of the others off it; the rest is 1 − PRIOR."""

NEIGHBOURHOOD = 0.03
"""Width (standard deviation, in shares of the frame's shorter side) of the neighbourhood in which
the hypotheses are compared."""

COARSE_BLUR = 4.0
"""For a blur of this many pixels or more every second row and column is compared."""

THIRDS = np.full((1, 3), 1 / 3, np.float32)

LARGEST_ERROR = 2000.0
"""Squared differences of grey levels count up to this much: one wrong edge is no worse than two."""

UNSEEN_ERROR, UNSEEN_WEIGHT = 300.0, 1e-4
"""Where nothing visible is near, every hypothesis is given this error."""

Window = tuple[slice, slice]
"""Rows and columns of the current frame."""


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

    @property
    def face_before(self) -> FloatArray:
        """``[2, 3]``, canonical face → where the past face was, if it had stood still."""
        return compose(self.surroundings, compose(invert(self.head), self.face))


@dataclass(frozen=True, eq=False)
class Layer:
    """One hypothesis of where the current frame's pixels were in the past frame.

    Attributes:
        matrix: ``[2, 3]``, past pixels → current pixels.
        residual: ``[h, w, 2]`` float32, what the matrix leaves, in reduced pixels (see
            ``alignment.py``); ``None`` for nothing.
        weight: ``[h, w]`` float32, how far it is to be believed.
    """

    matrix: FloatArray
    residual: FlowArray | None
    weight: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Layers:
    """The hypotheses, and what each shows at the reduced size.

    Attributes:
        hypotheses: head, surroundings by flow, and surroundings as they stood.
        shown: of each ``[h, w, 3]`` uint8, and ``[h, w]`` bool, where it is known.
    """

    hypotheses: tuple[Layer, ...]
    shown: tuple[Shown, ...]

    @cached_property
    def mean(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``[h, w, 3]``, their weighted mean at the reduced size, and ``[h, w]``, where known."""
        return weighted_mean(self.shown, [layer.weight for layer in self.hypotheses])


def propagate_in_layers(
    past_image: UInt8Array,
    past_mask: UInt8Array,
    current_image: UInt8Array,
    current_mask: UInt8Array,
    motions: Motions,
    mirrored: bool = False,
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show the past frame's content where the current frame would show it, layer by layer.

    Args:
        past_image: ``[H, W, 3]`` uint8.
        past_mask: ``[H, W]`` 0/1, 1 = hidden in the past frame.
        current_image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        current_mask: ``[H, W]`` 0/1, 1 = hidden in the current frame.
        motions: the known motions.
        mirrored: see ``carry``.

    Returns:
        ``[H, W, 3]`` uint8, grey (128) where unknown, and ``[H, W]`` bool, True where known.
    """
    check_same_shape("past_image", past_image, "current_image", current_image)
    past, current = Picture(past_image, past_mask), Picture(current_image, current_mask)
    return carry(past, current, motions, mirrored=mirrored)


def carry(
    past: Picture,
    current: Picture,
    motions: Motions,
    window: Window | None = None,
    spline: bool = False,
    mirrored: bool = False,
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Do the same with pictures that are used again.

    Args:
        past: the frame whose content is shown.
        current: the frame that shows it.
        motions: the known motions.
        window: the rows and columns that are wanted; all by default.
        spline: see ``find_layers``.
        mirrored: whether what has changed in the visible half of the face is shown in the hidden
            one, too; see ``mirrored_change.py``.

    Returns:
        ``[H', W', 3]`` uint8, grey (128) where unknown, and ``[H', W']`` bool, True where known, of
        the window.
    """
    height, width = current.mask.shape
    rows, columns = window or (slice(0, height), slice(0, width))
    layers = find_layers(past, current, motions, spline)
    shown, known = show_layers(past, current, layers.hypotheses, (rows, columns))
    hidden = (current.mask[rows, columns] != 0) & known
    if mirrored and hidden.any():
        to_window, size = map_to((rows, columns))
        face = compose(current.reduction, motions.face)
        change = mirrored_change(*layers.mean, *current.small, face)
        change = enlarge_field(change, compose(to_window, invert(current.reduction)), size)
        shown[hidden] = np.rint(shown[hidden] + change[hidden]).clip(0, 255)
    return shown, known


def find_layers(past: Picture, current: Picture, motions: Motions, spline: bool = False) -> Layers:
    """Find the hypotheses' motions, and how well each explains what is visible.

    Args:
        past: the frame whose content is shown.
        current: the frame that shows it.
        motions: the known motions.
        spline: whether what they leave is found by ``current.registration``, which is quick for
            many past frames, and not by dense flow.  Small pictures have too few pixels for it.
    """
    (image, mask), past_seen = current.small, past.small_seen
    flow = (PASSES, TOLERANCE) if mask is current.mask else (REDUCED_PASSES, REDUCED_TOLERANCE)
    head = head_region(compose(current.reduction, motions.face), mask.shape)
    seen, nowhere = _behind(current, motions, head)
    layers, pictures = [], []
    for matrix, region, share, stood in (
        (motions.head, head, np.ones_like(head), False),
        (motions.surroundings, 1 - head, seen, True),
    ):
        small = compose(compose(current.reduction, matrix), invert(past.reduction))
        carried = move(past_seen, small, mask.shape)
        if spline and min(mask.shape) >= FLOW_SIZE:
            residual = current.registration.motion_to(*carried)
        else:
            residual = refine_by_flow(*carried, image, mask, *flow)
        refined = look_up(past_seen, residual_positions(small, residual))
        hypotheses: list[tuple[FlowArray | None, Shown]] = [(residual, refined)]
        if stood:
            hypotheses.append((None, carried))
        prior = share * (PRIOR * region + (1 - PRIOR) * (1 - region))
        prior[nowhere] = 0
        for motion, shown in hypotheses:
            weight: Any = prior / _nearby_error(*shown, image, mask) ** 2
            layers.append(Layer(matrix, motion, weight))
            pictures.append(shown)
    return Layers(tuple(layers), tuple(pictures))


def _behind(
    current: Picture, motions: Motions, head: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Tell what the past frame knows of what is behind the head.

    What the head hid there is no background: taken for it, a second face stands beside the head.

    Returns:
        ``[h, w]``, how far it is to be believed; and where it shows nothing of use at all.
    """
    axes = np.array(HEAD_CENTRE) + np.array([[0, 0], [HEAD_AXES[0], 0], [0, HEAD_AXES[1]]])
    moved = move_points(motions.face_before, axes) - move_points(motions.face, axes)
    if np.linalg.norm(moved, axis=1).max() < STANDS * zoom_of(motions.face):
        return np.ones_like(head), np.zeros(head.shape, bool)
    before = head_region(compose(current.reduction, motions.face_before), head.shape)
    face = compose(current.reduction, motions.face)
    near = head_region(face, head.shape, NEAR_HEAD)
    return 1 - NO_BACKGROUND * np.maximum(before - head, 0), before - near > 0.5


def show_layers(
    past: Picture, current: Picture, layers: Sequence[Layer], window: Window
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show the weighted mean of what the hypotheses show, in a window of the current frame.

    Returns:
        ``[H', W', 3]`` uint8, grey (128) where unknown, and ``[H', W']`` bool, True where known.
    """
    to_window, size = map_to(window)
    enlarge = compose(to_window, invert(current.reduction))
    pictures, weights = [], []
    for layer in layers:
        matrix = compose(to_window, layer.matrix)
        if layer.residual is None:
            pictures.append(move(past.seen, matrix, size))
        else:
            zoom = np.diag(enlarge).astype(np.float32)
            residual = enlarge_field(layer.residual, enlarge, size) * zoom
            pictures.append(look_up(past.seen, residual_positions(matrix, residual)))
        weights.append(enlarge_field(layer.weight, enlarge, size))
    mean, known = weighted_mean(pictures, weights)
    image: Any = cv2.convertScaleAbs(mean)
    image[~known] = GREY
    return image, known


def map_to(window: Window) -> tuple[FloatArray, tuple[int, int]]:
    """Return ``[2, 3]``, pixels of the frame → pixels of a window, and its (height, width)."""
    rows, columns = window
    shift = np.array([[1.0, 0, -columns.start], [0, 1, -rows.start]])
    return shift, (rows.stop - rows.start, columns.stop - columns.start)


def weighted_mean(
    pictures: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]],
    weights: Sequence[NDArray[np.float32]],
    least: float = 0.0,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the weighted mean of pictures where they are known.

    Args:
        pictures: of each ``[h, w, 3]``, and ``[h, w]`` bool, where it is known.
        weights: of each ``[h, w]``.
        least: sum of the weights that a mean needs.

    Returns:
        ``[h, w, 3]``, and ``[h, w]`` bool, where the weights' sum is positive and at least that.
    """
    taken = [weight * known for (_, known), weight in zip(pictures, weights, strict=True)]
    total: Any = np.sum(taken, axis=0, dtype=np.float32)
    enough = (total > 0) & (total >= least)
    share: Any = np.float32(1) / np.where(enough, total, np.float32(1))
    mean: Any = np.zeros((*total.shape, 3), np.float32)
    for (image, _), weight in zip(pictures, taken, strict=True):
        part = cv2.multiply(image, in_colours(weight * share), dtype=cv2.CV_32F)
        mean = cv2.add(mean, part, dst=mean)
    return mean, enough


def in_colours(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[h, w, 3]``, a field once for each channel; NumPy repeats one far more slowly."""
    repeated: Any = cv2.merge([field] * 3)
    return repeated


def head_region(face: FloatArray, size: tuple[int, ...], radii: float = 1.0) -> NDArray[np.float32]:
    """Return how surely each pixel lies on the head, from the ellipse around the face.

    Args:
        face: ``[2, 3]``, canonical face → pixels.
        size: (height, width).
        radii: how much larger than the head the ellipse is.

    Returns:
        ``[H, W]`` float32 in [0, 1].
    """
    check_shape("face", face, (2, 3))
    way, axes = invert(face), np.array(HEAD_AXES)
    across, down, start = way[:, 0] / axes, way[:, 1] / axes, (way[:, 2] - HEAD_CENTRE) / axes
    columns, rows = (np.arange(side, dtype=np.float32) for side in size[::-1])
    u, v = (
        (np.float32(across[k]) * columns)[None]
        + (np.float32(down[k]) * rows + np.float32(start[k]))[:, None]
        for k in (0, 1)
    )
    radius = np.sqrt(u * u + v * v)
    # Far outside the exponential would overflow.
    away = np.clip((radius - np.float32(radii)) / np.float32(HEAD_EDGE), -50, 50)
    return np.asarray(1 / (1 + np.exp(away)), np.float32)


def enlarge_field(
    field: NDArray[np.float32], matrix: FloatArray, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Read a reduced field at the pixels of a window; beyond its rim the rim is repeated."""
    if field.shape[:2] == size and np.array_equal(matrix, np.eye(2, 3)):
        return field
    enlarged: Any = cv2.warpAffine(
        field, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return enlarged


def _nearby_error(
    image: UInt8Array, known: NDArray[np.bool_], current: UInt8Array, mask: UInt8Array
) -> NDArray[np.float32]:
    """Return the mean squared difference from what is visible around each pixel."""
    sigma, size = NEIGHBOURHOOD * min(mask.shape), mask.shape
    step = 2 if sigma >= COARSE_BLUR else 1
    thin = slice(None, None, step), slice(None, None, step)
    compared = (known[thin] & (mask[thin] == 0)).astype(np.float32)
    difference = cv2.absdiff(image[thin], current[thin]).astype(np.float32)
    squares: Any = cv2.multiply(difference, difference)
    error = np.minimum(cv2.transform(squares, THIRDS), LARGEST_ERROR) * compared
    near = [cv2.GaussianBlur(part, (0, 0), sigma / step) for part in (error, compared)]
    mean: Any = (near[0] + UNSEEN_WEIGHT * UNSEEN_ERROR) / (near[1] + UNSEEN_WEIGHT)
    return mean if step == 1 else np.asarray(cv2.resize(mean, size[::-1]), np.float32)
