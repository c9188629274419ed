"""From anatomy to patches: which shapes are painted, in what order and colour.

Two lists come out.  *Albedo* patches are flat RGBA colours.  *Relief* patches are grey values for
a soft layer that multiplies the picture (128 leaves it unchanged): folds, sockets and shine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.anatomy import SIDES, Anatomy, disc
from diffmvr.data.synthetic.expression import EXPRESSION_NAMES
from diffmvr.data.synthetic.hair import hair_over, hair_under
from diffmvr.data.synthetic.identity import Identity
from diffmvr.data.synthetic.marks import mark_patches
from diffmvr.data.synthetic.pose import HeadPose
from diffmvr.data.synthetic.raster import Patch
from diffmvr.data.synthetic.rng import FloatArray
from diffmvr.data.synthetic.shapes import mix, opaque, ribbon

NEUTRAL = 128.0


@dataclass(frozen=True)
class FacePatches:
    """What to paint for a clip's head.

    Attributes:
        albedo: RGBA patches, bottom first.
        relief: grey patches of the soft layer.
        outline: ``[T, 72, 2]`` the head's outline in frame coordinates.
    """

    albedo: list[Patch]
    relief: list[Patch]
    outline: FloatArray


def face_patches(
    identity: Identity, anatomy: Anatomy, expression: NDArray[np.float32], pose: HeadPose
) -> FacePatches:
    """Lay out the patches of a head over a clip.

    Args:
        identity: the subject.
        anatomy: its curves under the clip's expressions.
        expression: ``[T, E]``.
        pose: where the head is.
    """
    outline = pose.project(anatomy.outline, silhouette=True)
    names = list(anatomy.curves)
    projected = pose.project(np.concatenate([anatomy.curves[n] for n in names], axis=1))
    ends = np.cumsum([anatomy.curves[n].shape[1] for n in names])
    curve = dict(zip(names, np.split(projected, ends[:-1], axis=1), strict=True))
    e = {name: expression[:, i].astype(np.float64) for i, name in enumerate(EXPRESSION_NAMES)}

    ears = _ears(identity, pose)
    albedo = [
        *hair_under(identity, outline, pose),
        *ears.behind,
        Patch(outline, opaque(identity.skin)),
        *ears.in_front,
    ]
    for side, _ in SIDES:
        albedo += _eye(identity, curve, side, pose)
    albedo += _nose(identity, curve, pose)
    albedo += _mouth(identity, curve, e)
    on_skin, on_top = mark_patches(identity, pose)
    albedo += on_skin
    for side, _ in SIDES:
        albedo.append(_brow(identity, curve, side))
    albedo += hair_over(identity, outline, pose)
    albedo += on_top
    return FacePatches(albedo, _relief(identity, curve, e, pose), outline)


@dataclass(frozen=True)
class _Ears:
    behind: list[Patch]
    in_front: list[Patch]


def _ears(identity: Identity, pose: HeadPose) -> _Ears:
    """Draw each ear behind the head, and the one turned to the camera in front of it."""
    angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
    width = 0.15 * (0.75 + 0.5 * identity.ear_out) * identity.ear_size
    height = 0.33 * identity.ear_size
    albedo, in_front = [], []
    ear_skin = mix(identity.skin, (200, 90, 80), 0.10)
    inner = mix(identity.skin, (110, 40, 34), 0.28)
    for _, sign in SIDES:
        x0 = sign * (1.235 * identity.face_width + 0.35 * width)
        lobe = 1.0 - 0.22 * np.sin(angle)
        loop = np.stack(
            [
                x0 + sign * width * np.cos(angle) * lobe + 0.06 * sign * np.sin(-angle),
                0.16 + height * np.sin(angle),
                np.full_like(angle, -0.12),
            ],
            axis=-1,
        )
        centre = loop.mean(axis=0)
        hollow = centre + (loop - centre) * np.array([0.55, 0.62, 1.0]) + (0.012 * sign, -0.02, 0)
        both = np.stack([loop, hollow])
        # The near ear slides onto the side of the head, the far one hides behind it.
        turn = sign * np.sin(pose.yaw)
        slide = -sign * (0.16 * np.maximum(-turn, 0) + 0.45 * np.maximum(turn, 0))
        points = np.broadcast_to(both, (len(pose), *both.shape)).copy()
        points[..., 0] += slide[:, None, None]
        shape, inside = (pose.project(points[:, i], silhouette=True) for i in range(2))
        albedo += [Patch(shape, opaque(ear_skin)), Patch(inside, opaque(inner))]
        near = (turn < 0)[:, None, None]
        hidden = np.full((len(pose), 1, 2), -1.0)
        in_front += [
            Patch(np.where(near, shape, hidden), opaque(mix(ear_skin, identity.skin, 0.5))),
            Patch(np.where(near, inside, hidden), opaque(inner)),
        ]
    return _Ears(albedo, in_front)


def _eye(
    identity: Identity, curve: dict[str, FloatArray], side: str, pose: HeadPose
) -> list[Patch]:
    part = {k.removeprefix(f"eye_{side}_"): v for k, v in curve.items() if f"eye_{side}_" in k}
    upper, lower = part["upper"], part["lower"]
    skin = opaque(identity.skin)
    white = mix((240, 238, 236), identity.skin, 0.10 + 0.08 * identity.skin_tone)
    lash = mix(identity.hair, (34, 22, 20), 0.75)
    lash_width = 0.036 * np.sin(np.linspace(0.25, 2.6, upper.shape[1])) + 0.004
    rim = mix(identity.skin, (150, 60, 56), 0.35)
    return [
        Patch(_between(upper, lower), opaque(white)),
        Patch(part["limbus"], opaque(mix(identity.iris, (16, 12, 12), 0.55))),
        Patch(part["iris"], opaque(identity.iris)),
        Patch(part["glow"], opaque(mix(identity.iris, (255, 255, 255), 0.22))),
        Patch(part["pupil"], opaque((14, 11, 12))),
        Patch(part["glint"], opaque((250, 250, 250))),
        Patch(_between(part["cover_top"], upper), skin),
        Patch(_between(lower, part["cover_bottom"]), skin),
        Patch(ribbon(lower, 0.016, pose.scale), opaque(rim)),
        Patch(ribbon(upper, lash_width, pose.scale), opaque(lash)),
    ]


def _brow(identity: Identity, curve: dict[str, FloatArray], side: str) -> Patch:
    colour = mix(identity.skin, identity.hair, 0.25 + 0.6 * identity.brow_strength)
    return Patch(_between(curve[f"brow_{side}_top"], curve[f"brow_{side}_bottom"]), opaque(colour))


def _nose(identity: Identity, curve: dict[str, FloatArray], pose: HeadPose) -> list[Patch]:
    shadow = mix(identity.skin, (60, 20, 16), 0.24)
    hole = mix(identity.skin, (30, 8, 8), 0.68)
    patches = [Patch(ribbon(curve["nose_under"], 0.022, pose.scale), opaque(shadow))]
    for side, _ in SIDES:
        wing = curve[f"nose_{side}_wing"]
        width = 0.024 * np.sin(np.linspace(0, np.pi, wing.shape[1])) + 0.003
        patches.append(Patch(ribbon(wing, width, pose.scale), opaque(shadow)))
        patches.append(Patch(curve[f"nose_{side}_hole"], opaque(hole)))
    return patches


def _mouth(
    identity: Identity, curve: dict[str, FloatArray], e: dict[str, FloatArray]
) -> list[Patch]:
    lip, lip_dark = identity.lip, mix(identity.lip, (70, 20, 22), 0.16)
    outer_top, inner_top = curve["lip_outer_top"], curve["lip_inner_top"]
    outer_bottom, inner_bottom = curve["lip_outer_bottom"], curve["lip_inner_bottom"]
    opened = np.clip(e["mouth_open"] * 6, 0, 1)[:, None]
    line = np.asarray(mix(lip, (50, 12, 14), 0.62))
    cavity = np.asarray((74.0, 20.0, 24.0))
    inside = np.concatenate([line + (cavity - line) * opened, np.full_like(opened, 255.0)], axis=1)
    gum = np.concatenate(
        [cavity + (np.array((206.0, 120.0, 118.0)) - cavity) * opened, inside[:, 3:]], axis=1
    )
    tongue = np.concatenate(
        [line + (np.array((196.0, 92.0, 96.0)) - line) * opened, inside[:, 3:]], axis=1
    )
    # A closed mouth still shows its line.
    seam = np.maximum(inner_bottom - inner_top, 0)
    thin = 0.0035 * np.sin(np.linspace(0.15, np.pi - 0.15, seam.shape[1]))[None, :, None]
    down = np.zeros((1, 1, 2)) + np.array([0.0, 1.0])
    bottom = np.where(seam[..., 1:] < thin, inner_top + thin * down, inner_bottom)
    return [
        Patch(_between(outer_top, inner_top), opaque(lip_dark)),
        Patch(_between(inner_top, outer_bottom), opaque(lip)),
        Patch(_between(inner_top, bottom), inside),
        Patch(_between(inner_top, curve["gum"]), gum),
        Patch(_between(curve["tongue"], inner_bottom), tongue),
    ]


def _relief(
    identity: Identity, curve: dict[str, FloatArray], e: dict[str, FloatArray], pose: HeadPose
) -> list[Patch]:
    """Folds and shine; a value below 128 darkens, one above lightens."""
    # Folds read stronger on light skin; on dark skin shine carries the shape.
    depth, shine = 1.0 - 0.25 * identity.skin_tone, 0.6 + 0.7 * identity.skin_tone
    patches: list[Patch] = []

    def fold(name: str, width: float, strength: FloatArray | float) -> None:
        taper = width * np.sin(np.linspace(0.2, np.pi - 0.2, curve[name].shape[1]))
        value = NEUTRAL * (1 - np.broadcast_to(strength, (len(pose),)) * depth)
        patches.append(Patch(ribbon(curve[name], taper, pose.scale), value[:, None]))

    for side, sign in SIDES:
        socket = _between(curve[f"eye_{side}_socket_top"], curve[f"eye_{side}_socket_bottom"])
        patches.append(Patch(socket, np.array([NEUTRAL * (1 - 0.10 * depth)])))
        fold(f"eye_{side}_fold", 0.05, 0.22 + 0.2 * identity.lid_fold + 0.2 * e["eye_squeeze"])
        fold(f"eye_{side}_bag", 0.05, 0.16 + 0.35 * e["eye_squeeze"] + 0.12 * e["cheek_raise"])
        fold(f"furrow_{side}", 0.075, 0.05 + 0.5 * e["furrow"])
        fold(f"frown_{side}", 0.06, 0.5 * np.maximum(e["brow_lower"], 0) ** 1.5)
        cheek = disc(
            identity, np.full(len(pose), sign * 0.66), 0.42 - 0.06 * e["cheek_raise"], 0.15, 14, 0.8
        )
        patches.append(Patch(pose.project(cheek), np.array([NEUTRAL * (1 + 0.10 * shine)])))
    fold("lip_shadow", 0.07, 0.3)
    fold("nose_under", 0.09, 0.3)
    light = np.array([NEUTRAL * (1 + 0.22 * shine)])
    patches.append(Patch(curve["nose_light"], light))
    patches.append(Patch(ribbon(curve["lip_light"][:, 5:-5], 0.03, pose.scale), light))
    return patches


def _between(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Return the closed polygon between two curves of the same direction, ``[T, 2n, 2]``."""
    return np.concatenate([top, bottom[:, ::-1]], axis=1)
