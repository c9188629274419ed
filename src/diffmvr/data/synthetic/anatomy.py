"""The face in head coordinates: outline, eyes, brows, nose and mouth under an expression.

Legend: T frames, n points of a curve.  Head coordinates: origin between the eyes, x to the
image's right, y down, z to the camera, unit = distance between the eye centres.  "left" and
"right" are the image's, for a face seen from the front.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from diffmvr.data.synthetic.expression import EXPRESSION_NAMES
from diffmvr.data.synthetic.identity import Identity
from diffmvr.data.synthetic.rng import FloatArray

SIDES = (("left", -1.0), ("right", 1.0))
OUTLINE_POINTS = 72

# Right half of the head's outline, crown to chin: x, y, z.  z is how far the point lies in front
# of the axis about which the head turns.
_OUTLINE = np.array(
    [
        (0.00, -1.80, 0.00),
        (0.42, -1.75, 0.00),
        (0.82, -1.54, 0.00),
        (1.12, -1.16, 0.00),
        (1.26, -0.66, 0.04),
        (1.27, -0.18, 0.12),
        (1.25, 0.27, 0.26),
        (1.15, 0.70, 0.46),
        (0.88, 1.06, 0.62),
        (0.47, 1.27, 0.72),
        (0.00, 1.33, 0.76),
    ]
)
_CURVE = np.linspace(-1.0, 1.0, 15)
_ARCH = 1.0 - np.abs(_CURVE) ** 2.2


@dataclass(frozen=True)
class Anatomy:
    """A face's curves over time.

    Attributes:
        outline: ``[T, 72, 3]`` closed outline, clockwise from the crown; project as silhouette.
        curves: name → ``[T, n, 3]`` on the face's surface.
        points: name → ``[T, 3]``, the landmarks but those on the outline.
    """

    outline: FloatArray
    curves: dict[str, FloatArray]
    points: dict[str, FloatArray]


@lru_cache
def _spline_weights(controls: int, samples: int) -> FloatArray:
    """Return ``[samples, controls]``: closed cubic spline through control points, as a matrix."""
    identity = np.eye(controls)
    knots = np.arange(controls + 1)
    spline = CubicSpline(knots, np.vstack([identity, identity[:1]]), bc_type="periodic")
    return np.asarray(spline(np.arange(samples) * controls / samples))


def build_anatomy(identity: Identity, expression: NDArray[np.float32]) -> Anatomy:
    """Shape a subject's face by the expressions of a clip.

    Args:
        identity: the subject.
        expression: ``[T, E]``, see ``EXPRESSION_NAMES``.
    """
    e = {name: expression[:, i].astype(np.float64) for i, name in enumerate(EXPRESSION_NAMES)}
    curves: dict[str, FloatArray] = {}
    points: dict[str, FloatArray] = {}
    for side, sign in SIDES:
        _eye(identity, e, side, sign, curves, points)
        _brow(identity, e, side, sign, curves, points)
    _nose(identity, e, curves, points)
    _mouth(identity, e, curves, points)
    zero = np.zeros(len(expression))
    points["forehead"] = on_surface(identity, zero, zero - 0.92)
    for side, sign in SIDES:
        points[f"cheek_{side}"] = on_surface(
            identity, zero + sign * 0.68, 0.56 - 0.08 * e["cheek_raise"]
        )
    return Anatomy(_outline(identity, e), curves, points)


def on_surface(
    identity: Identity, x: FloatArray, y: FloatArray, lift: FloatArray | float = 0.0
) -> FloatArray:
    """Return ``[..., 3]``: the points (x, y) on the face, raised towards the camera by ``lift``."""
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y, identity.depth(x, y) + lift], axis=-1)


def _outline(identity: Identity, e: dict[str, FloatArray]) -> FloatArray:
    right = _OUTLINE.copy()
    height = right[:, 1]
    lower = np.clip((height - 0.1) / 1.2, 0, 1)
    cheek = np.exp(-(((height - 0.66) / 0.3) ** 2))
    right[:, 0] *= identity.face_width
    right[:, 0] *= 1 + 0.10 * (identity.cheek - 0.3) * cheek
    right[:, 0] *= 1 + 0.12 * (identity.jaw - 0.5) * np.exp(-(((height - 1.1) / 0.25) ** 2))
    right[:, 1] *= np.where(height > 0, 1 + (identity.chin - 1) * lower, identity.cranium)
    left = right[-2:0:-1] * np.array([-1.0, 1.0, 1.0])
    loop = np.concatenate([right, left])
    outline = _spline_weights(len(loop), OUTLINE_POINTS) @ loop
    # The jaw drops with the mouth and the cheeks spread in a smile.
    drop = np.clip((outline[:, 1] - 0.55) / 0.8, 0, 1) ** 1.5
    bulge = np.exp(-(((outline[:, 1] - 0.5) / 0.3) ** 2)) * np.sign(outline[:, 0])
    moved = np.repeat(outline[None], len(e["mouth_open"]), axis=0)
    moved[..., 1] += 0.2 * e["mouth_open"][:, None] * drop
    moved[..., 0] += 0.035 * e["cheek_raise"][:, None] * bulge
    moved[..., 0] *= 1 - 0.05 * e["mouth_open"][:, None] * drop
    return moved


def _eye(
    identity: Identity,
    e: dict[str, FloatArray],
    side: str,
    sign: float,
    curves: dict[str, FloatArray],
    points: dict[str, FloatArray],
) -> None:
    size = identity.eye_size * (1 + sign * identity.eye_asymmetry)
    squeeze = e["eye_squeeze"][:, None]
    opened = e["eye_open"][:, None]
    half = 0.30 * size * (1 - 0.1 * squeeze)
    s = _CURVE[None]  # -1 at the inner corner, 1 at the outer one
    arch = _ARCH[None]
    x = sign * (0.5 + half * s)
    tilt = -identity.eye_tilt * s + 0.02 * squeeze
    closed = (0.07 - 0.05 * squeeze) * arch + 0.035
    upper = closed + opened * (-0.205 * size * identity.eye_height * arch - closed)
    raised = 0.055 * e["cheek_raise"][:, None]
    lower = closed + np.sqrt(opened) * ((0.145 * size - raised) * arch - closed)
    lower = np.maximum(lower, upper)

    def curve(height: FloatArray, lift: float = 0.02) -> FloatArray:
        return on_surface(identity, x, height + tilt, lift)

    curves[f"eye_{side}_upper"] = curve(upper)
    curves[f"eye_{side}_lower"] = curve(lower)
    curves[f"eye_{side}_socket_top"] = curve(np.minimum(upper - 0.01, -0.33 * arch))
    curves[f"eye_{side}_socket_bottom"] = curve(np.maximum(lower + 0.01, 0.28 * arch))
    # Skin that hides whatever of the iris lies outside the lids.
    cover_x, cover_arch = sign * (0.5 + 1.13 * half * s), 1.0 - np.abs(s) ** 8
    for name, height in (("top", -0.34), ("bottom", 0.29)):
        curves[f"eye_{side}_cover_{name}"] = on_surface(
            identity, cover_x, height * cover_arch + tilt + 0.035, 0.02
        )
    fold = upper - (0.05 + 0.05 * identity.lid_fold) * arch - 0.012
    curves[f"eye_{side}_fold"] = curve(fold)
    curves[f"eye_{side}_bag"] = curve(lower + 0.085 * arch + 0.03)

    centre_x = sign * 0.5 + 0.085 * e["gaze_x"]
    centre_y = -0.018 + 0.05 * e["gaze_y"]
    for name, radius in (("iris", 0.172), ("limbus", 0.186), ("pupil", 0.082)):
        curves[f"eye_{side}_{name}"] = disc(identity, centre_x, centre_y, radius, 18)
    glint = disc(identity, centre_x - 0.055, centre_y - 0.066, 0.042, 10)
    curves[f"eye_{side}_glint"] = glint
    curves[f"eye_{side}_glow"] = disc(identity, centre_x + 0.06, centre_y + 0.075, 0.034, 8)

    points[f"eye_{side}_inner"] = curves[f"eye_{side}_upper"][:, 0]
    points[f"eye_{side}_outer"] = curves[f"eye_{side}_upper"][:, -1]
    points[f"eye_{side}_top"] = curves[f"eye_{side}_upper"][:, 7]
    points[f"eye_{side}_bottom"] = curves[f"eye_{side}_lower"][:, 7]
    points[f"pupil_{side}"] = on_surface(identity, centre_x, centre_y)


def _brow(
    identity: Identity,
    e: dict[str, FloatArray],
    side: str,
    sign: float,
    curves: dict[str, FloatArray],
    points: dict[str, FloatArray],
) -> None:
    lowered = e["brow_lower"][:, None]
    s = np.linspace(0.0, 1.0, 11)[None]  # 0 at the inner end
    inward = 0.055 * np.maximum(lowered, 0)
    x = sign * (0.22 + 0.56 * s - inward * (1 - s))
    arch = identity.brow_arch * 0.06 * np.sin(np.pi * s)
    height = -0.46 * identity.brow_height - arch + 0.07 * s**2
    height = height + lowered * np.where(lowered > 0, 0.15 - 0.11 * s, 0.10)
    thickness = 0.034 * identity.brow_thickness * (0.75 + 0.5 * s) * (1 - s**4) + 0.006
    curves[f"brow_{side}_top"] = on_surface(identity, x, height - thickness, 0.03)
    curves[f"brow_{side}_bottom"] = on_surface(identity, x, height + thickness, 0.03)
    middle = on_surface(identity, x, height, 0.03)
    for name, index in (("inner", 0), ("mid", 5), ("outer", 10)):
        points[f"brow_{side}_{name}"] = middle[:, index]
    # Pain draws the brows together into a bulge with a furrow beside it.
    fold_y = np.linspace(-0.42, -0.12, 7)[None] + 0.03 * lowered
    curves[f"frown_{side}"] = on_surface(
        identity, sign * (0.09 + 0.05 * (fold_y + 0.25) ** 2 * 10), fold_y, 0.03
    )


def _nose(
    identity: Identity,
    e: dict[str, FloatArray],
    curves: dict[str, FloatArray],
    points: dict[str, FloatArray],
) -> None:
    frames = len(e["furrow"])
    zero = np.zeros(frames)
    length, width, depth = identity.nose_length, identity.nose_width, identity.nose_depth
    flare = 1 + 0.12 * e["furrow"]
    lifted = -0.03 * e["furrow"]
    tip_y = 0.43 * length + lifted
    base_y = 0.53 * length + lifted
    points["nose_bridge"] = on_surface(identity, zero, zero + 0.04, 0.03)
    points["nose_tip"] = on_surface(identity, zero, tip_y, 0.20 * depth)
    points["nose_base"] = on_surface(identity, zero, base_y, 0.10)
    for side, sign in SIDES:
        wing_x = sign * 0.185 * width * flare
        points[f"nostril_{side}"] = on_surface(identity, wing_x, base_y - 0.05, 0.05)
        angle = np.linspace(-1.1, 1.9, 9)[None]
        curves[f"nose_{side}_wing"] = on_surface(
            identity,
            wing_x[:, None] + sign * (0.065 * np.cos(angle) - 0.05),
            base_y[:, None] - 0.055 + 0.07 * np.sin(angle),
            0.07,
        )
        curves[f"nose_{side}_hole"] = disc(
            identity, sign * 0.082 * width * flare, base_y - 0.015, 0.05 * width, 10, 0.5, 0.12
        )
        t = np.linspace(0, 1, 9)[None]
        corner_x = 0.43 + 0.07 * e["mouth_width"][:, None] + 0.03 * e["cheek_raise"][:, None]
        curves[f"furrow_{side}"] = on_surface(
            identity,
            sign * (0.23 * width + (corner_x - 0.23) * t + 0.06 * np.sin(np.pi * t)),
            base_y[:, None] - 0.06 + (0.80 - 0.50) * t,
            0.03,
        )
    across = np.linspace(-1, 1, 11)[None]
    curves["nose_under"] = on_surface(
        identity,
        0.13 * width * across,
        base_y[:, None] + 0.012 - 0.03 * across**2,
        0.14 * depth,
    )
    curves["nose_light"] = disc(identity, zero, tip_y - 0.03, 0.055 * width, 10, 0.9, 0.2 * depth)
    bridge_y = np.linspace(0.0, 1.0, 7)[None]
    curves["nose_ridge"] = on_surface(
        identity, 0.0 * bridge_y, 0.05 + (tip_y[:, None] - 0.1) * bridge_y, 0.05 + 0.1 * bridge_y
    )


def _mouth(
    identity: Identity,
    e: dict[str, FloatArray],
    curves: dict[str, FloatArray],
    points: dict[str, FloatArray],
) -> None:
    opened = e["mouth_open"][:, None]
    stretch = e["mouth_width"][:, None]
    s = np.linspace(-1.0, 1.0, 21)[None]
    half = 0.36 * identity.mouth_width * (1 + 0.24 * stretch - 0.1 * opened)
    x = half * s
    y = 0.83 * identity.mouth_height - 0.11 * e["mouth_corner"][:, None] * (s**2 - 0.25)
    y = y + identity.mouth_tilt * s
    # A stretched mouth opens to a square, a relaxed one to an oval.
    power = 0.62 - 0.2 * np.maximum(stretch, 0)
    round_arch = (1 - s**2) ** power
    gap = 0.40 * opened
    bow = 0.018 * np.exp(-((s / 0.2) ** 2)) * (1 - opened)
    inner_top = y - 0.25 * gap * round_arch + bow
    inner_bottom = np.maximum(y + 0.75 * gap * round_arch + bow, inner_top)
    full = identity.lip_fullness * (1 - 0.3 * stretch) * (1 - 0.25 * opened)
    cupid = 1 - 0.30 * np.exp(-((s / 0.17) ** 2))
    outer_top = inner_top - 0.088 * full * (1 - s**2) ** 0.75 * cupid
    outer_bottom = inner_bottom + 0.112 * full * (1 - s**2) ** 0.7

    def curve(height: FloatArray) -> FloatArray:
        return on_surface(identity, x, height, 0.10 * (1 - s**2))

    curves["lip_outer_top"], curves["lip_inner_top"] = curve(outer_top), curve(inner_top)
    curves["lip_outer_bottom"], curves["lip_inner_bottom"] = (
        curve(outer_bottom),
        curve(inner_bottom),
    )
    curves["gum"] = curve(np.minimum(inner_top + 0.16 * gap * round_arch, inner_bottom))
    curves["tongue"] = curve(
        np.maximum(inner_bottom - 0.42 * gap * round_arch * (1 - 0.35 * s**2), inner_top)
    )
    curves["lip_light"] = curve(inner_bottom + 0.04 * full * (1 - s**2))
    below = outer_bottom + 0.06 * (1 - s**2) + 0.015
    curves["lip_shadow"] = curve(below)[:, 4:-4]
    points["mouth_left"], points["mouth_right"] = curve(y)[:, 0], curve(y)[:, -1]
    points["mouth_top"], points["mouth_bottom"] = (
        curve(outer_top)[:, 10],
        curve(outer_bottom)[:, 10],
    )
    points["lip_inner_top"] = curve(inner_top)[:, 10]
    points["lip_inner_bottom"] = curve(inner_bottom)[:, 10]


def disc(
    identity: Identity,
    x: FloatArray,
    y: FloatArray,
    radius: float,
    count: int,
    flatness: float = 1.0,
    lift: float = 0.025,
) -> FloatArray:
    """Return ``[T, count, 3]``: a disc on the face about (x, y), squeezed by ``flatness``."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)[None]
    return on_surface(
        identity,
        x[:, None] + radius * np.cos(angle),
        y[:, None] + radius * flatness * np.sin(angle),
        lift,
    )
