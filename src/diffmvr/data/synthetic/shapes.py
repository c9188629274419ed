"""Colours and strokes: small helpers of everything that is painted."""

import numpy as np

from diffmvr.data.synthetic.rng import FloatArray

RGB = tuple[float, float, float]


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return the colour ``share`` of the way from ``a`` to ``b``."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


def opaque(rgb: RGB) -> FloatArray:
    """Return ``rgb`` with full alpha."""
    return np.array([*rgb, 255.0])


def ribbon(curve: FloatArray, width: FloatArray | float, scale: FloatArray) -> FloatArray:
    """Return the outline of a stroke along a curve.

    Args:
        curve: ``[T, n, 2]`` frame coordinates.
        width: full width in head units, one value or one per point.
        scale: ``[T]`` frame units per head unit.

    Returns:
        ``[T, 2n, 2]`` closed polygon.
    """
    tangent = np.gradient(curve, axis=1)
    length = np.maximum(np.hypot(tangent[..., 0], tangent[..., 1]), 1e-9)
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1) / length[..., None]
    offset = (
        normal
        * (0.5 * np.multiply.outer(scale, np.broadcast_to(width, curve.shape[1:2])))[..., None]
    )
    return np.concatenate([curve + offset, (curve - offset)[:, ::-1]], axis=1)
