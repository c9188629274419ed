"""Carry a past frame onto the current one (decisions 20).

First by the similarity between the two heads, then by dense flow between the carried frame and
the current one where the flow can be checked.  The past frame is resampled once, by the composed
map.  This is the past guide, and by itself the flow-propagated floor of the evaluation.

Maps: ``matrix`` takes a position in the past frame to its position in the current one.  A
``residual`` field u, ``[H, W, 2]`` in pixels, says that current pixel x shows what the carried
frame has at x + u(x), hence what the past frame has at matrix⁻¹(x + u(x)).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.geometry import invert
from diffmvr.preprocessing.symmetry import warp_visible
from diffmvr.preprocessing.visible import look_up, with_visibility
from diffmvr.structures import FloatArray, UInt8Array

FlowArray = NDArray[np.float32]

FLOW_SIZE = 128
"""Frames smaller than this are enlarged for the flow: DIS matches patches of 8 × 8 pixels."""

MIN_TRUSTED = 0.05
"""Least share of pixels whose flow must be trusted; with fewer, the residual is zero."""

TOLERANCE = 0.5
"""Following the flow forward and back may miss the start by so many pixels, and 1 % of the way."""


class FlowPass(NamedTuple):
    """One estimate of the flow; each sees the hole filled as the one before says.

    Attributes:
        preset: of OpenCV's dense inverse search.
        finest: halvings of the finest scale that is searched; ``None`` leaves it to the preset.
        checked: whether the way back is found too, to see where the flow can be trusted; without
            it what was trusted before is trusted again.
    """

    preset: int
    finest: int | None = None
    checked: bool = True


PASSES = (
    FlowPass(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST),
    FlowPass(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM),
)

EXTENSION_SCALES = (0.2, 0.1, 0.05)
"""Widths (standard deviations, in shares of the frame's shorter side) of the averages of trusted
flow, broad to narrow: the broad ones reach the middle of a hole, the narrow ones follow its rim."""


def propagate_past(
    past_image: UInt8Array,
    past_mask: UInt8Array,
    current_image: UInt8Array,
    current_mask: UInt8Array,
    similarity_past_to_current: FloatArray,
    refine: bool = True,
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Show the past frame's content where the current frame would show it.

    Args:
        past_image: ``[H, W, 3]`` uint8.
        past_mask: ``[H, W]`` 0/1, 1 = hidden in the past frame.
        current_image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        current_mask: ``[H, W]`` 0/1, 1 = hidden in the current frame.
        similarity_past_to_current: ``[2, 3]``, past pixels → current pixels.
        refine: whether to refine the map by dense flow.

    Returns:
        ``[H, W, 3]`` uint8, grey (128) where unknown, and ``[H, W]`` bool, True where known.
    """
    check_same_shape("past_image", past_image, "current_image", current_image)
    check_shape("past_mask", past_mask, past_image.shape[:2])
    check_shape("current_mask", current_mask, past_image.shape[:2])
    check_shape("similarity_past_to_current", similarity_past_to_current, (2, 3))
    carried, known = warp_visible(past_image, past_mask, similarity_past_to_current)
    if not refine:
        return carried, known
    residual = refine_by_flow(carried, known, current_image, current_mask)
    return warp_by_residual(past_image, past_mask, similarity_past_to_current, residual)


def refine_by_flow(
    carried: UInt8Array,
    carried_known: NDArray[np.bool_],
    current_image: UInt8Array,
    current_mask: UInt8Array,
    passes: Sequence[FlowPass] = PASSES,
    tolerance: float = TOLERANCE,
) -> FlowArray:
    """Find the motion that the similarity leaves, and extend it into the hole.

    Dense inverse search flow (Kroeger et al. 2016, OpenCV) between the two frames counts only
    where both show something and where going forward and back returns to the start:
    |fw + bw| ≤ 0.01 (|fw| + |bw|) + tolerance.  From there it is extended smoothly over the rest.

    Args:
        carried: ``[H, W, 3]`` uint8, the past frame after the similarity.
        carried_known: ``[H, W]`` bool.
        current_image: ``[H, W, 3]`` uint8; its hidden pixels are not looked at.
        current_mask: ``[H, W]`` 0/1, 1 = hidden.
        passes: estimates, from coarse to fine; the first is checked.
        tolerance: in pixels.

    Returns:
        ``[H, W, 2]`` float32 residual field in pixels; zero if too little can be trusted.
    """
    visible = (current_mask == 0) & carried_known
    grid = _grid(*current_mask.shape)
    residual = np.zeros_like(grid)
    trusted = visible
    # A later pass sees the hole filled by the one before, so that its flow near the rim is not
    # drawn to the zero motion of a hole filled by the carried frame as it was.
    for one in passes:
        filling = _look_up(carried, grid + residual)
        target = np.where(visible[..., None], current_image, filling)
        forward, backward = _flow(target, carried, one)
        if backward is not None:
            trusted = visible & _returns(forward, backward, tolerance)
        if trusted.mean() < MIN_TRUSTED:
            return np.zeros_like(residual)
        residual = extend_smoothly(forward, trusted)
    return residual


def extend_smoothly(field: FlowArray, trusted: NDArray[np.bool_]) -> FlowArray:
    """Average what is trusted of a field, and extend it over the rest.

    Normalised convolution (Knutsson and Westin 1993) with a Gaussian, broad first; each narrower
    one averages what the ones before left over.  Where none finds anything to trust the
    result tends to zero.

    Args:
        field: ``[H, W, 2]`` float32.
        trusted: ``[H, W]`` bool.

    Returns:
        ``[H, W, 2]`` float32.
    """
    height, width = trusted.shape
    weight = trusted.astype(np.float32)
    extended = np.zeros_like(field)
    for scale in EXTENSION_SCALES:
        sigma = scale * min(height, width)
        # A blur this wide is the same at a coarser resolution, and far quicker.
        step = max(1, int(sigma / 2))
        size = (-(-width // step), -(-height // step))
        rest = (field - extended) * weight[..., None]
        coarse = [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (rest, weight)]
        total, share = (cv2.GaussianBlur(part, (0, 0), sigma / step) for part in coarse)
        # The 0.01 stands for a little trust in "no more motion than that".
        average = total / (share + 0.01)[..., None]
        extended += cv2.resize(average, (width, height), interpolation=cv2.INTER_LINEAR)
    return extended


def _flow(
    target: UInt8Array, source: UInt8Array, one: FlowPass
) -> tuple[FlowArray, FlowArray | None]:
    """Return the DIS flow from target to source and back, ``[H, W, 2]`` each, in pixels."""
    height, width = target.shape[:2]
    zoom = max(1, int(np.ceil(FLOW_SIZE / min(height, width))))
    size = (width * zoom, height * zoom)
    ends = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_CUBIC)
        for image in (target, source)
    ]
    solver = cv2.DISOpticalFlow.create(one.preset)
    if one.finest is not None:
        solver.setFinestScale(one.finest)

    def find(start: Any, end: Any) -> Any:
        flow = solver.calc(start, end, np.zeros((*start.shape, 2), np.float32))
        if zoom == 1:
            return flow
        return cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / np.float32(zoom)

    return find(*ends), find(*ends[::-1]) if one.checked else None


def _returns(forward: FlowArray, backward: FlowArray, tolerance: float) -> NDArray[np.bool_]:
    """Tell where following the flow forward and back ends within the tolerance of the start."""
    there = _look_up(backward, _grid(*forward.shape[:2]) + forward)
    length = _length(forward) + _length(there)
    return _length(forward + there) <= 0.01 * length + tolerance


def warp_by_residual(
    image: UInt8Array, mask: UInt8Array, matrix: FloatArray, residual: FlowArray
) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """Sample the visible part of ``image`` at matrix⁻¹(x + u(x)), once.

    Args:
        image: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` 0/1, 1 = hidden.
        matrix: ``[2, 3]``, position in ``image`` → position in the result.
        residual: ``[h, w, 2]``, u, in pixels of the result.

    Returns:
        ``[h, w, 3]`` uint8, grey (128) where unknown, and ``[h, w]`` bool, True where known.
    """
    return look_up(with_visibility(image, mask), residual_positions(matrix, residual))


def residual_positions(matrix: FloatArray, residual: FlowArray) -> FlowArray:
    """Return ``[h, w, 2]``, where in the past frame the pixels of the result were."""
    position: Any = cv2.transform(_grid(*residual.shape[:2]) + residual, invert(matrix))
    return np.asarray(position, np.float32)


def sample(field: NDArray[np.float32], matrix: FloatArray, residual: FlowArray) -> Any:
    """Read a field ``[H, W]`` at matrix⁻¹(x + u(x)), as ``warp_by_residual`` reads an image."""
    return _look_up(field, residual_positions(matrix, residual))


def enlarge_field(
    field: NDArray[np.float32], matrix: FloatArray, size: tuple[int, ...]
) -> NDArray[np.float32]:
    """Read a reduced field at the pixels of a window; beyond its rim the rim is repeated."""
    if field.shape[:2] == size and np.array_equal(matrix, np.eye(2, 3)):
        return field
    enlarged: Any = cv2.warpAffine(
        field, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return enlarged


def _look_up(array: Any, position: FlowArray, border: int = cv2.BORDER_REPLICATE) -> Any:
    """Read an image or field at ``[H, W, 2]`` (x, y) positions, bilinearly."""
    nothing: Any = None
    return cv2.remap(array, position, nothing, cv2.INTER_LINEAR, borderMode=border)


def _length(field: FlowArray) -> FlowArray:
    """Return ``[H, W]``, the lengths of the vectors of ``[H, W, 2]``."""
    return np.hypot(field[..., 0], field[..., 1])


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> FlowArray:
    """Return the ``[H, W, 2]`` (x, y) positions of the pixels; shared, so read-only."""
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0], grid[..., 1] = np.arange(width), np.arange(height)[:, None]
    grid.setflags(write=False)
    return grid
