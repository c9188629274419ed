"""Smooth motion from one frame to many others, found at little cost (ours).

The motion is a free-form deformation (Rueckert et al. 1999): a uniform cubic B-spline on a coarse
grid, which has the least squared difference of grey levels where both frames show something, and
bends little.  Gauss–Newton with the gradients of the one frame (Baker and Matthews 2004) has the
same system of equations for every other frame, so that it is solved once.  The stiffness alone says
how the motion goes on in the hole.

h × w are the pixels of a level, c × c the control points.
"""

from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.structures import UInt8Array

CONTROL_POINTS = 8
"""c, along each side."""

LEVELS = ((4, 4), (2, 2))
"""Reductions of the frame, from coarse to fine, and the steps of Gauss–Newton at each.  Two more
steps at full size cost a quarter more CPU time in all and gave nothing on four real recordings."""

STIFFNESS, INERTIA = 0.3, 1e-3
"""How little the motion bends, and how little there is of it, in mean curvatures of the
differences' squares."""

LARGEST_DIFFERENCE = 60.0
"""Grey levels that differ by more count as this: what is new in a frame pulls no harder."""

DETAIL = 0.2
"""Grey levels are taken as differences from their mean in a square around (side, in shares of the
frame's shorter side), so that light counts little."""

SEEN = 0.99
"""Least share of a reduced or interpolated pixel that is visible where pixels are compared."""

Field = NDArray[np.float32]


class _Basis(NamedTuple):
    """The spline at the pixels of a level.

    Attributes:
        rows: ``[h, c]``, the control points' weights by row.
        columns: ``[w, c]``, and by column.
        grid: ``[h, w, 2]``, (x, y) of the pixels.
    """

    rows: Field
    columns: Field
    grid: Field

    def field(self, control: Field) -> Field:
        """Return ``[h, w, 2]``, the motion that control points ``[2, c, c]`` make."""
        return np.stack([self.rows @ part @ self.columns.T for part in control], axis=-1)

    def project(self, picture: Field) -> Field:
        """Return ``[c · c]``, the sums of a picture ``[h, w]`` by control point."""
        sums: Any = (self.rows.T @ picture @ self.columns).ravel()
        return sums

    def gram(self, weight: Field) -> Field:
        """Return ``[c · c, c · c]``, the same of products of two control points' weights."""
        c = self.rows.shape[1]
        rows, columns = (
            (part[:, :, None] * part[:, None]).reshape(-1, c * c)
            for part in (self.rows, self.columns)
        )
        products = (rows.T @ weight @ columns).reshape(c, c, c, c)
        return products.transpose(0, 2, 1, 3).reshape(c * c, c * c)


class _Level(NamedTuple):
    """A reduced form of the frame that others are registered to.

    Attributes:
        basis: the spline at its pixels.
        visible: ``[h, w]`` 0/1.
        detail: ``[h, w]``, its grey levels.
        gradients: ``[2, h, w]``, along x and y; 0 where they are not known.
        solver: ``[2 · c · c, 2 · c · c]``, from the gradient of what is minimised to a step.
        penalty: the same size, of stiffness and inertia.
        steps: of Gauss–Newton.
    """

    basis: _Basis
    visible: Field
    detail: Field
    gradients: Field
    solver: Field
    penalty: Field
    steps: int


class Registration:
    """Finds the motion from one frame to others.

    Args:
        image: ``[H, W, 3]`` uint8, the frame; its hidden pixels are not looked at.
        mask: ``[H, W]`` 0/1, 1 = hidden.
    """

    def __init__(self, image: UInt8Array, mask: UInt8Array) -> None:
        check_shape("image", image, (*mask.shape, 3))
        self._image, self._mask = image, mask

    def motion_to(self, other: UInt8Array, known: NDArray[np.bool_]) -> Field:
        """Find the motion u: what the frame shows at x, the other one shows at x + u(x).

        Args:
            other: ``[H, W, 3]`` uint8.
            known: ``[H, W]``, where it shows anything.

        Returns:
            ``[H, W, 2]`` float32, in pixels.
        """
        check_same_shape("other", other, "image", self._image)
        grey, shown = _grey(other), known.astype(np.float32)
        control = np.zeros((2, CONTROL_POINTS, CONTROL_POINTS), np.float32)
        before: Any = None
        for (reduction, _), level in zip(LEVELS, self._levels, strict=True):
            reduced, seen = _reduce(grey, shown, reduction)
            # The mean around is of the same pixels, so that equal frames have equal detail.
            detail = _detail(reduced, seen, seen * level.visible)
            detail = np.dstack([detail, seen])
            size = np.array(detail.shape[1::-1], np.float32)
            control *= np.float32(1) if before is None else (size / before)[:, None, None]
            before = size
            for _ in range(level.steps):
                control = _step(level, detail, control)
        control *= (np.array(grey.shape[::-1], np.float32) / before)[:, None, None]
        return _basis(*grey.shape).field(control)

    @cached_property
    def _levels(self) -> list[_Level]:
        grey, visible = _grey(self._image), (self._mask == 0).astype(np.float32)
        return [_level(*_reduce(grey, visible, reduction), steps) for reduction, steps in LEVELS]


def _step(level: _Level, other: Field, control: Field) -> Field:
    """Return the control points after a step; ``other`` is ``[h, w, 2]``, grey levels and known."""
    basis = level.basis
    place = basis.grid + basis.field(control)
    nothing: Any = None
    moved = cv2.remap(other, place, nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    difference = np.clip(moved[..., 0] - level.detail, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
    difference[moved[..., 1] < SEEN] = 0
    pull = np.concatenate([basis.project(part * difference) for part in level.gradients])
    step = level.solver @ (pull + level.penalty @ control.ravel())
    return control - step.reshape(control.shape)


def _level(grey: Field, visible: Field, steps: int) -> _Level:
    basis, detail = _basis(*grey.shape), _detail(grey, visible, visible)
    # A gradient is known where the pixels around are.
    inside: Any = cv2.erode(visible, np.ones((3, 3), np.uint8)) / np.float32(32)
    x, y = (inside * cv2.Scharr(grey, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    xx, xy, yy = basis.gram(x * x), basis.gram(x * y), basis.gram(y * y)
    system = np.block([[xx, xy], [xy, yy]]).astype(np.float64)
    scale = np.trace(system) / len(system) + 1e-6
    bend = np.diff(np.eye(CONTROL_POINTS), axis=0)
    bend, same = bend.T @ bend, np.eye(CONTROL_POINTS)
    stiffness = STIFFNESS * (np.kron(bend, same) + np.kron(same, bend))
    penalty = scale * np.kron(np.eye(2), stiffness + INERTIA * np.eye(len(stiffness)))
    solver: Any = cv2.invert(system + penalty, flags=cv2.DECOMP_CHOLESKY)[1]
    narrow, small = solver.astype(np.float32), penalty.astype(np.float32)
    return _Level(basis, visible, detail, np.stack([x, y]), narrow, small, steps)


def _grey(image: UInt8Array) -> Field:
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)


def _reduce(grey: Field, visible: Field, reduction: int) -> tuple[Field, Field]:
    """Return the mean of what is visible, and 0/1, where that is nearly everything."""
    if reduction == 1:
        return grey, visible
    height, width = (max(1, side // reduction) for side in grey.shape)
    total, share = (
        cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        for part in (grey * visible, visible)
    )
    mean: Any = total / np.maximum(share, np.float32(1e-3))
    return mean, (share >= SEEN).astype(np.float32)


def _detail(grey: Field, shown: Field, counted: Field) -> Field:
    """Return how grey levels differ from the mean of what counts around; 0 where not shown."""
    side = max(round(DETAIL * min(grey.shape)), 3)
    total, share = (cv2.blur(part, (side, side)) for part in (grey * counted, counted))
    detail: Any = (grey - total / np.maximum(share, np.float32(1e-3))) * shown
    return detail


@lru_cache(maxsize=16)
def _basis(height: int, width: int) -> _Basis:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack([x, y], axis=-1).astype(np.float32)
    return _Basis(_weights(height), _weights(width), grid)


def _weights(length: int) -> Field:
    """Return ``[length, c]``, the weights of a uniform cubic B-spline's control points."""
    spans = CONTROL_POINTS - 3
    place = np.linspace(0, spans, length)
    first = np.minimum(place.astype(int), spans - 1)
    u = place - first
    cubics = (1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3
    weights = np.zeros((length, CONTROL_POINTS), np.float32)
    for shift, cubic in enumerate(cubics):
        weights[np.arange(length), first + shift] = cubic / 6
    return weights
