"""Light and skin: smooth fields that multiply the flat painting.

The head is lit as an ellipsoid with bumps (nose, brows, cheeks, lips, chin) in scaled orthographic
view.  Legend: T frames, G × G grid over the frame.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.expression import EXPRESSION_NAMES
from diffmvr.data.synthetic.identity import Identity
from diffmvr.data.synthetic.pose import HeadPose
from diffmvr.data.synthetic.rng import FloatArray, Stream, generator, smooth_path

Float32Array = NDArray[np.float32]
Bump = tuple[str, NDArray[np.floating[Any]] | float, float, float, float]
_TEXTURE = 72
_TEXTURE_ORIGIN, _TEXTURE_SPAN = (-1.8, -2.1), 3.6


@dataclass(frozen=True)
class Lighting:
    """The light of each of T frames.

    Attributes:
        direction: ``[T, 3]`` unit vectors from the head to the light (x right, y down, z camera).
        ambient: share of light without direction, in [0, 1].
        gain: ``[T, 3]`` RGB factors: exposure and colour of the light.
    """

    direction: FloatArray
    ambient: float
    gain: FloatArray


def sample_lighting(rng: np.random.Generator, frames: int) -> Lighting:
    """Draw a light: from above, somewhat to one side, warm or cool, one in six clips dim."""
    path = smooth_path(rng, frames, 8.0, 3)
    azimuth = rng.uniform(-1.0, 1.0) + 0.25 * path[:, 0]
    height = rng.uniform(0.25, 0.9) + 0.1 * path[:, 1]
    direction = np.stack(
        [np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)],
        axis=1,
    )
    warmth = rng.uniform(-1.0, 1.0)
    tint = np.array([1.0 + 0.05 * warmth, 1.0, 1.0 - 0.07 * warmth])
    exposure = rng.uniform(0.58, 0.74) if rng.uniform() < 1 / 6 else rng.uniform(0.9, 1.05)
    gain = exposure * (1 + 0.05 * path[:, 2:]) * tint
    return Lighting(direction, float(rng.uniform(0.46, 0.66)), gain)


def grid_size(size: int) -> int:
    """Return the side of the field grid for a frame of ``size``: the frame's own, up to 128."""
    return min(size, 128)


@dataclass(frozen=True)
class HeadFields:
    """What light and skin do to the flat painting.

    Attributes:
        factor: ``[T, G, G, 3]`` float32, multiplies the albedo; 1 away from the head.
        shine: ``[T, G, G]`` float32 in [0, 1], added as white.
    """

    factor: Float32Array
    shine: Float32Array


def head_fields(
    identity: Identity,
    expression: NDArray[np.float32],
    pose: HeadPose,
    landmarks: dict[str, FloatArray],
    light: Lighting,
    texture: Float32Array,
    grid: int,
) -> HeadFields:
    """Light a head.

    Args:
        identity: the subject.
        expression: ``[T, E]``.
        pose: where the head is.
        landmarks: name → ``[T, 2]`` frame coordinates; the bumps sit on them.
        light: the clip's light.
        texture: ``skin_texture`` of the subject.
        grid: G.
    """
    frames = len(pose)
    e = {name: expression[:, i] for i, name in enumerate(EXPRESSION_NAMES)}
    a, b, c = identity.radii
    reach = pose.scale * 2.1
    rows, columns = (_span(pose.centre[:, i], reach, grid) for i in (1, 0))
    axis = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    column = lambda v: np.asarray(v, np.float32).reshape(frames, 1, 1)  # noqa: E731

    # 1. Frame → head plane (undo shift, scale and roll).
    scale = column(pose.scale)
    dx = (axis[None, None, columns] - column(pose.centre[:, 0])) / scale
    dy = (axis[None, rows, None] - column(pose.centre[:, 1])) / scale
    cos, sin = column(np.cos(pose.roll)), column(np.sin(pose.roll))
    x, y = cos * dx + sin * dy, cos * dy - sin * dx

    # 2. The ellipsoid under each pixel, clamped at its silhouette, and its normal.
    nx, ny = x / np.float32(a), (y - np.float32(identity.centre_y)) / np.float32(b)
    squared = nx * nx + ny * ny
    shrink = np.minimum(1.0, 0.97 / np.sqrt(np.maximum(squared, 1e-6)))
    nx, ny = nx * shrink, ny * shrink
    nz = np.sqrt(1.0 - nx * nx - ny * ny)
    depth = np.float32(c) * nz

    # 3. Skin texture, looked up where the surface point lay before the head turned.
    cos_p, sin_p = column(np.cos(pose.pitch)), column(np.sin(pose.pitch))
    cos_y, sin_y = column(np.cos(pose.yaw)), column(np.sin(pose.yaw))
    back_y, back_z = y * cos_p - depth * sin_p, y * sin_p + depth * cos_p
    back_x = x * cos_y - back_z * sin_y
    per_unit = _TEXTURE / _TEXTURE_SPAN
    map_x = (back_x - np.float32(_TEXTURE_ORIGIN[0])) * np.float32(per_unit) - np.float32(0.5)
    map_y = (back_y - np.float32(_TEXTURE_ORIGIN[1])) * np.float32(per_unit) - np.float32(0.5)
    skin = cv2.remap(
        texture,
        map_x.reshape(-1, map_x.shape[-1]),
        map_y.reshape(-1, map_y.shape[-1]),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(*map_x.shape, 3)

    # 4. Bumps tilt the normal: h = A exp(-r²/2σ²), so ∂h/∂x = -h (x - x₀)/σ².
    gx, gy = nx * np.float32(0.9), ny * np.float32(0.75)
    for name, height, sigma_x, sigma_y, shift in _bumps(identity, e):
        to_x, to_y = (landmarks[name] - pose.centre).T
        u0 = (np.cos(pose.roll) * to_x + np.sin(pose.roll) * to_y) / pose.scale
        v0 = (np.cos(pose.roll) * to_y - np.sin(pose.roll) * to_x) / pose.scale + shift
        # Only the window within 3.3 σ of the bump in some frame.
        reach = 3.3 * max(sigma_x, sigma_y) * pose.scale + abs(shift) * pose.scale
        down, right = (_span(landmarks[name][:, i], reach, grid) for i in (1, 0))
        window = (slice(None), _shift(down, rows), _shift(right, columns))
        u, v = x[window] - column(u0), y[window] - column(v0)
        h = np.exp(u * u * np.float32(-0.5 / sigma_x**2) + v * v * np.float32(-0.5 / sigma_y**2))
        h *= column(np.broadcast_to(height, (frames,)))
        gx[window] += h * u * np.float32(1 / sigma_x**2)
        gy[window] += h * v * np.float32(1 / sigma_y**2)

    # 5. Wrapped Lambert light and a soft highlight.
    gz = np.maximum(nz, 0.25)
    norm = 1.0 / np.sqrt(gx * gx + gy * gy + gz * gz)
    lx, ly, lz = (column(light.direction[:, i]) for i in range(3))
    facing = (gx * lx + gy * ly + gz * lz) * norm
    diffuse = np.clip((facing + 0.35) / 1.35, 0.0, 1.0)
    level = np.float32(light.ambient) + np.float32(1.18 - light.ambient) * diffuse
    skin *= level[..., None]
    # Blood under the skin: shadows lean to red.
    skin *= 1.0 + (1.0 - diffuse)[..., None] * np.array([0.04, -0.03, -0.05], np.float32)
    half = light.direction + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    hx, hy, hz = (column(half[:, i]) for i in range(3))
    mirror = np.clip((gx * hx + gy * hy + gz * hz) * norm, 0.0, 1.0)
    mirror = mirror**4
    mirror = mirror * mirror * mirror * mirror
    factor = np.ones((frames, grid, grid, 3), np.float32)
    shine = np.zeros((frames, grid, grid), np.float32)
    factor[:, rows, columns] = skin
    shine[:, rows, columns] = mirror * np.float32(0.07 + 0.07 * identity.skin_tone)
    return HeadFields(factor, shine)


def _span(centre: FloatArray, reach: FloatArray, grid: int) -> slice:
    """Return the grid cells within ``reach`` of ``centre`` in any frame."""
    low, high = float(np.min(centre - reach)), float(np.max(centre + reach))
    return slice(max(0, int(low * grid)), max(0, min(grid, int(high * grid) + 2)))


def _shift(inner: slice, outer: slice) -> slice:
    """Return ``inner`` counted from the start of ``outer``, cut to it."""
    length = outer.stop - outer.start
    return slice(
        min(max(inner.start - outer.start, 0), length),
        min(max(inner.stop - outer.start, 0), length),
    )


def _bumps(identity: Identity, e: dict[str, NDArray[np.float32]]) -> list[Bump]:
    """Return landmark, height, widths in x and y, and downward shift of each bump."""
    width = identity.nose_width
    bumps: list[Bump] = [
        ("nose_tip", 0.115 * identity.nose_depth, 0.125 * width, 0.12, 0.0),
        ("nose_bridge", 0.045 * identity.nose_depth, 0.12, 0.24, 0.12),
        ("mouth_top", 0.07, 0.34, 0.20, 0.06),
        ("chin", 0.07, 0.24, 0.17, -0.16),
    ]
    for side in ("left", "right"):
        bumps.append(
            (
                f"cheek_{side}",
                0.10 + 0.06 * identity.cheek + 0.07 * e["cheek_raise"],
                0.34,
                0.28,
                -0.02,
            )
        )
        bumps.append(
            (f"brow_{side}_inner", 0.03 + 0.05 * np.maximum(e["brow_lower"], 0), 0.20, 0.10, 0.0)
        )
        bumps.append((f"eye_{side}_bottom", -0.035, 0.24, 0.13, -0.1))
        bumps.append((f"nostril_{side}", 0.03, 0.075 * width, 0.07, 0.0))
    return bumps


def skin_texture(seed: int, subject: int, identity: Identity) -> Float32Array:
    """Return ``[G, G, 3]`` factors over the face: blush, mottling, shadowed sockets.

    The texture is band-limited: nothing finer than a tenth of the face, so that small frames do
    not turn it into noise.
    """
    rng = generator(seed, subject, 0, Stream.SKIN_TEXTURE)
    axis = (np.arange(_TEXTURE) + 0.5) / _TEXTURE * _TEXTURE_SPAN
    x, y = np.meshgrid(axis + _TEXTURE_ORIGIN[0], axis + _TEXTURE_ORIGIN[1])

    def blob(cx: float, cy: float, sx: float, sy: float) -> FloatArray:
        return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)))

    blush = blob(-0.68, 0.55, 0.27, 0.22) + blob(0.68, 0.55, 0.27, 0.22)
    blush = blush + 0.7 * blob(0.0, 0.45, 0.15, 0.12) + 0.35 * blob(0.0, 1.2, 0.22, 0.14)
    coarse = rng.normal(size=(9, 9, 2)).astype(np.float32)
    cloud = cv2.resize(coarse, (_TEXTURE, _TEXTURE), interpolation=cv2.INTER_CUBIC)
    cloud = np.clip(cloud, -1.6, 1.6).astype(np.float64)
    strength = identity.blush * (0.9 - 0.45 * identity.skin_tone)
    red = 0.24 * strength * blush + 0.045 * identity.mottle * cloud[..., 0]
    light = 0.028 * identity.mottle * cloud[..., 1]
    factor = np.stack([1 + light + 0.05 * red, 1 + light - 0.85 * red, 1 + light - 0.75 * red], -1)
    tired = blob(-0.5, 0.18, 0.22, 0.1) + blob(0.5, 0.18, 0.22, 0.1)
    factor *= 1 - tired[..., None] * np.array([0.07, 0.08, 0.05])
    return np.ascontiguousarray(factor, dtype=np.float32)
