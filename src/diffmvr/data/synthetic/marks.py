"""Moles, birthmarks, plasters and taped feeding tubes: what is on one side only."""

import numpy as np

from diffmvr.data.synthetic.anatomy import on_surface
from diffmvr.data.synthetic.identity import Identity, Mark
from diffmvr.data.synthetic.pose import HeadPose
from diffmvr.data.synthetic.raster import Patch
from diffmvr.data.synthetic.rng import FloatArray
from diffmvr.data.synthetic.shapes import mix, opaque, ribbon


def mark_patches(identity: Identity, pose: HeadPose) -> tuple[list[Patch], list[Patch]]:
    """Return the patches on the skin, and those on top of everything else."""
    on_skin: list[Patch] = []
    on_top: list[Patch] = []
    for mark in identity.marks:
        if mark.kind in ("mole", "birthmark"):
            on_skin.append(_spot(identity, mark, pose))
        elif mark.kind == "plaster":
            on_top += _plaster(identity, mark, pose)
        else:
            on_top += _tube(identity, mark, pose)
    return on_skin, on_top


def _place(identity: Identity, pose: HeadPose, local: FloatArray, lift: float) -> FloatArray:
    """Project ``[n, 2]`` head coordinates lying on the face."""
    points = on_surface(identity, local[:, 0], local[:, 1], lift)
    return pose.project(np.broadcast_to(points, (len(pose), *points.shape)))


def _turned(mark: Mark, local: FloatArray) -> FloatArray:
    cos, sin = np.cos(mark.angle), np.sin(mark.angle)
    return local @ np.array([[cos, sin], [-sin, cos]]) + (mark.x, mark.y)


def _spot(identity: Identity, mark: Mark, pose: HeadPose) -> Patch:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wobble = np.ones_like(angle)
    if mark.kind == "birthmark":
        wobble = (
            wobble + 0.16 * np.sin(3 * angle + 9 * mark.x) + 0.1 * np.sin(5 * angle + 7 * mark.y)
        )
    loop = mark.size * np.stack([wobble * np.cos(angle), 0.75 * wobble * np.sin(angle)], axis=-1)
    return Patch(_place(identity, pose, _turned(mark, loop), 0.01), opaque(mark.rgb))


def _rounded(half_width: float, half_height: float) -> FloatArray:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack(
        [
            half_width * np.sign(cos) * np.abs(cos) ** 0.35,
            half_height * np.sign(sin) * np.abs(sin) ** 0.35,
        ],
        axis=-1,
    )


def _plaster(identity: Identity, mark: Mark, pose: HeadPose) -> list[Patch]:
    strip = _turned(mark, _rounded(mark.size, 0.36 * mark.size))
    pad = _turned(mark, _rounded(0.36 * mark.size, 0.3 * mark.size))
    # The usual beige disappears on beige skin.
    rgb = mark.rgb if identity.skin_tone > 0.45 else (150.0, 190.0, 222.0)
    return [
        Patch(_place(identity, pose, strip, 0.03), opaque(rgb)),
        Patch(_place(identity, pose, pad, 0.03), opaque(mix(rgb, (255, 255, 255), 0.35))),
    ]


def _tube(identity: Identity, mark: Mark, pose: HeadPose) -> list[Patch]:
    """A thin feeding tube from the nostril over the cheek to the ear, with a tape across it."""
    side = np.sign(mark.x)
    t = np.linspace(0, 1, 15)
    x = side * (0.07 + (1.18 - 0.07) * t)
    nostril_y = 0.51 * identity.nose_length
    y = nostril_y + 4 * (mark.y + 0.03 - nostril_y) * t * (1 - t) + (0.30 - nostril_y) * t
    line = _place(identity, pose, np.stack([x, y], axis=-1), 0.05)
    tape = Mark("tape", mark.x, mark.y, 0.2, 0.12 * float(side), (240.0, 236.0, 226.0))
    patch = _place(identity, pose, _turned(tape, _rounded(0.17, 0.14)), 0.06)
    rgb = mark.rgb
    return [
        Patch(ribbon(line, 0.062, pose.scale), opaque(mix(rgb, (90, 110, 110), 0.55))),
        Patch(ribbon(line, 0.036, pose.scale), opaque(rgb)),
        Patch(patch, opaque(mix((244, 240, 230), identity.skin, 0.22))),
    ]
