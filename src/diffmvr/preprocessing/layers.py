"""Carry a past frame onto the current one in layers: the head and what is behind it.

A hole shows skin and background, and no single motion carries both.  Three hypotheses say where a
current pixel was in the past frame: it moved with the head; it moved as the dense flow of the
surroundings does; it stood still in the recording.  Each pixel takes their mean, weighted by how
well each explains what is visible nearby, and by whether it shows the head where the head is, and
something else beside it (``beliefs.py``).

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

from diffmvr.checks import check_same_shape
from diffmvr.geometry import compose, invert, move_points, zoom_of
from diffmvr.preprocessing.alignment import (
    FLOW_SIZE,
    PASSES,
    TOLERANCE,
    FlowArray,
    FlowPass,
    enlarge_field,
    refine_by_flow,
    residual_positions,
)
from diffmvr.preprocessing.beliefs import UNSEEN_ERROR, Way, beliefs
from diffmvr.preprocessing.head_region import HEAD_AXES, HEAD_CENTRE
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

STANDS, MOVES = 0.05, 0.25
"""A head that has moved by less than so many distances between the eyes tells nothing of what is
behind it, and hides what it hid; from the second on all is told by what moved."""

NEIGHBOURHOOD = 0.03
"""Width (standard deviation, in shares of the frame's shorter side) of the neighbourhood in which
the hypotheses are compared."""

COARSE_BLUR = 4.0
"""For a blur of this many pixels or more every second row and column is compared."""

THIRDS = np.full((1, 3), 1 / 3, np.float32)

LARGEST_ERROR = 2000.0
"""Squared differences of grey levels count up to this much: one wrong edge is no worse than two."""

UNSEEN_WEIGHT = 1e-4
"""Of ``UNSEEN_ERROR``, in that of a surrounding that is all visible."""

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

    @property
    def head_moves(self) -> float:
        """How far the head has moved before its surroundings: 0 for hardly, 1 for clearly."""
        axes = np.array(HEAD_CENTRE) + np.array([[0, 0], [HEAD_AXES[0], 0], [0, HEAD_AXES[1]]])
        moved = move_points(self.face_before, axes) - move_points(self.face, axes)
        distance = np.linalg.norm(moved, axis=1).max() / zoom_of(self.face)
        return float(np.clip((distance - STANDS) / (MOVES - STANDS), 0, 1))


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
    ways = []
    for matrix, stood in ((motions.head, False), (motions.surroundings, True)):
        small = compose(compose(current.reduction, matrix), invert(past.reduction))
        carried = move(past_seen, small, mask.shape)
        if spline and min(mask.shape) >= FLOW_SIZE:
            residual = current.registration.motion_to(*carried)
        else:
            residual = refine_by_flow(*carried, image, mask, *flow)
        hypotheses: list[tuple[FlowArray | None, Shown]] = [
            (residual, look_up(past_seen, residual_positions(small, residual)))
        ]
        if stood:
            hypotheses.append((None, carried))
        for motion, shown in hypotheses:
            error = _nearby_error(*shown, image, mask)
            ways.append(Way(matrix, small, motion, shown, error))
    face = compose(current.reduction, motions.face)
    priors = beliefs(ways, face, past.small, motions.head_moves)
    layers = [
        Layer(way.matrix, way.residual, prior / way.error**2)
        for way, prior in zip(ways, priors, strict=True)
    ]
    return Layers(tuple(layers), tuple(way.shown for way in ways))


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
