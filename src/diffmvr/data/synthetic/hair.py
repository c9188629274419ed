"""Hair, caps and headbands."""

import numpy as np

from diffmvr.data.synthetic.anatomy import OUTLINE_POINTS, on_surface
from diffmvr.data.synthetic.identity import Identity
from diffmvr.data.synthetic.pose import HeadPose
from diffmvr.data.synthetic.raster import Patch
from diffmvr.data.synthetic.rng import FloatArray
from diffmvr.data.synthetic.shapes import mix, opaque

# How far the hair stands off the skull, and how much of the skin it hides.
_VOLUME = {"fuzz": 0.012, "short": 0.035, "full": 0.10, "curly": 0.13, "cap": 0.07}
_COVER = {"fuzz": 0.30, "short": 0.80, "full": 1.0, "curly": 1.0}
# Points of the outline from the left temple over the crown to the right temple.
_REACH = {"fuzz": 15, "short": 16, "full": 18, "curly": 18, "cap": 17, "headband": 15}


def hair_under(identity: Identity, outline: FloatArray, pose: HeadPose) -> list[Patch]:
    """Return what lies behind the head: the volume of full and curly hair beside the ears."""
    if identity.hair_style not in ("full", "curly"):
        return []
    crown = _crown(outline, pose, 20, _VOLUME[identity.hair_style] * 0.9)
    return [Patch(crown, opaque(mix(identity.hair, (0, 0, 0), 0.25)))]


def hair_over(identity: Identity, outline: FloatArray, pose: HeadPose) -> list[Patch]:
    """Return what lies on the head."""
    style = identity.hair_style
    if style == "bald":
        return []
    if style == "cap":
        return _cap(identity, outline, pose)
    if style == "headband":
        return _scalp(identity, outline, pose, "fuzz") + _headband(identity, outline, pose)
    return _scalp(identity, outline, pose, style)


def _crown(outline: FloatArray, pose: HeadPose, reach: int, volume: float) -> FloatArray:
    """Return ``[T, 2·reach + 1, 2]``: the outline over the top, pushed outwards by ``volume``."""
    index = np.arange(-reach, reach + 1) % OUTLINE_POINTS
    arc = outline[:, index]
    centre = outline.mean(axis=1, keepdims=True)
    away = arc - centre
    away /= np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)[..., None]
    swell = np.cos(np.linspace(-1.35, 1.35, 2 * reach + 1))[None, :, None]
    return arc + away * volume * swell * pose.scale[:, None, None]


def _hairline(
    identity: Identity,
    outline: FloatArray,
    pose: HeadPose,
    reach: int,
    top: float,
    curvature: float,
    scallops: float = 0.0,
) -> FloatArray:
    """Return ``[T, 2·reach + 1, 2]``: the hair's lower edge, tied to the outline at both ends."""
    s = np.linspace(-1.0, 1.0, 2 * reach + 1)
    end_y = float(-0.9 + 0.08 * (reach - 14))
    y = top + (end_y + curvature - top) * np.abs(s) ** 2.5
    y = y + scallops * np.abs(np.sin(s * 9.0)) * (1 - s**2)
    x = 1.16 * identity.face_width * np.sign(s) * np.abs(s) ** 0.8
    points = on_surface(identity, x, y, 0.02)
    line = pose.project(np.broadcast_to(points, (len(pose), *points.shape)))
    index = np.arange(-reach, reach + 1) % OUTLINE_POINTS
    tie = (np.abs(s) ** 10)[None, :, None]
    return line * (1 - tie) + outline[:, index] * tie


def _strips(
    upper: FloatArray, lower: FloatArray, edges: FloatArray, low: float, high: float
) -> list[FloatArray]:
    """Cut the region between two curves of n points into strips running from one to the other.

    Args:
        upper: ``[T, n, 2]``.
        lower: ``[T, n, 2]``.
        edges: ``[K, 2]`` first and last position of each strip in [0, n - 1].
        low: share of the way from ``upper`` at which the strips start.
        high: share at which they end.
    """
    strips = []
    for first, last in edges:
        corners = []
        for position, share in ((first, low), (last, low), (last, high), (first, high)):
            i = int(position)
            j, part = min(i + 1, upper.shape[1] - 1), position - i
            a = upper[:, i] * (1 - part) + upper[:, j] * part
            b = lower[:, i] * (1 - part) + lower[:, j] * part
            corners.append(a + (b - a) * share)
        strips.append(np.stack(corners, axis=1))
    return strips


def _scalp(identity: Identity, outline: FloatArray, pose: HeadPose, style: str) -> list[Patch]:
    reach = _REACH[style]
    crown = _crown(outline, pose, reach, _VOLUME[style])
    scallops = {"full": 0.14, "short": 0.04, "curly": 0.08, "fuzz": 0.0}[style]
    top = identity.hairline + {"full": 0.12, "short": 0.0, "curly": 0.0, "fuzz": -0.10}[style]
    # Thin hair starts gradually: the same shape again and again, higher and denser.
    fades = {"fuzz": (0.25, 0.5, 0.75, 1.0), "short": (0.5, 1.0)}.get(style, (1.0,))
    patches = []
    for step, share in enumerate(fades):
        line = _hairline(identity, outline, pose, reach, top - 0.055 * step, 0.1, scallops)
        colour = mix(identity.skin, identity.hair, _COVER[style] * share)
        patches.append(Patch(np.concatenate([crown, line[:, ::-1]], axis=1), opaque(colour)))
    # Locks: fixed strips, lighter and darker, the same in every frame.
    rng = np.random.Generator(np.random.PCG64(int(abs(identity.hairline) * 1e6)))
    contrast = {"full": 0.12, "short": 0.08, "curly": 0.08, "fuzz": 0.04}[style]
    starts = np.sort(rng.uniform(0.5, 2 * reach - 1.5, 14))
    widths = rng.uniform(0.25, 0.9, 14)
    tones = rng.uniform(-contrast, contrast, 14)
    edges = np.stack([starts, starts + widths], axis=1)
    for tone, strip in zip(tones, _strips(crown, line, edges, 0.06, 0.93), strict=True):
        tint = mix(colour, (255, 236, 210) if tone > 0 else (0, 0, 0), abs(float(tone)))
        patches.append(Patch(strip, opaque(tint)))
    if style == "curly":
        patches += _curls(identity, crown, line, pose, rng)
    return patches


def _curls(
    identity: Identity,
    crown: FloatArray,
    line: FloatArray,
    pose: HeadPose,
    rng: np.random.Generator,
) -> list[Patch]:
    patches = []
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    count = crown.shape[1]
    for index in range(46):
        column = int(rng.integers(0, count))
        share = (0.0, 1.0)[index % 2] if index < 26 else rng.uniform(0.1, 0.9)
        share = float(np.clip(share + rng.uniform(-0.05, 0.05), -0.02, 1.0))
        centre = crown[:, column] + (line[:, column] - crown[:, column]) * share
        radius = rng.uniform(0.075, 0.13) * pose.scale
        tone = rng.uniform(-0.25, 0.08)
        tint = mix(identity.hair, (255, 236, 210) if tone > 0 else (0, 0, 0), abs(float(tone)))
        patches.append(Patch(centre[:, None] + ring * radius[:, None, None], opaque(tint)))
    return patches


def _cap(identity: Identity, outline: FloatArray, pose: HeadPose) -> list[Patch]:
    reach = _REACH["cap"]
    crown = _crown(outline, pose, reach, _VOLUME["cap"])
    line = _hairline(identity, outline, pose, reach, identity.hairline + 0.24, 0.0)
    fabric = identity.fabric
    patches = []
    if identity.ear_out > 0.5:
        angle = np.linspace(0, 2 * np.pi, 18, endpoint=False)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        middle = crown[:, reach][:, None]
        bobble = middle + ring * (0.23 * pose.scale)[:, None, None]
        patches.append(Patch(bobble, opaque(mix(fabric, (255, 255, 255), 0.35))))
    patches.append(Patch(np.concatenate([crown, line[:, ::-1]], axis=1), opaque(fabric)))
    ribs = np.arange(1.0, 2 * reach - 1, 2.4)
    edges = np.stack([ribs, ribs + 0.7], axis=1)
    groove = opaque(mix(fabric, (0, 0, 0), 0.12))
    patches += [Patch(strip, groove) for strip in _strips(crown, line, edges, 0.03, 0.8)]
    fold = crown + (line - crown) * 0.78
    band = mix(fabric, (255, 255, 255) if sum(fabric) < 600 else (150, 160, 190), 0.45)
    patches.append(Patch(np.concatenate([fold, line[:, ::-1]], axis=1), opaque(band)))
    return patches


def _headband(identity: Identity, outline: FloatArray, pose: HeadPose) -> list[Patch]:
    reach = _REACH["headband"]
    upper = _hairline(identity, outline, pose, reach, identity.hairline - 0.12, 0.0)
    lower = _hairline(identity, outline, pose, reach, identity.hairline + 0.08, 0.22)
    patches = [Patch(np.concatenate([upper, lower[:, ::-1]], axis=1), opaque(identity.fabric))]
    # A flower sits on one side of it.
    column = reach + (5 if identity.ear_out > 0.5 else -5)
    centre = 0.5 * (upper[:, column] + lower[:, column])
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    scale = pose.scale[:, None, None]
    petal = opaque(mix(identity.fabric, (255, 255, 255), 0.4))
    for turn in np.arange(5) * 2 * np.pi / 5:
        offset = 0.15 * np.array([np.cos(turn), np.sin(turn)])
        patches.append(Patch(centre[:, None] + (offset + 0.12 * ring) * scale, petal))
    patches.append(Patch(centre[:, None] + 0.08 * ring * scale, opaque((238, 206, 96))))
    return patches
