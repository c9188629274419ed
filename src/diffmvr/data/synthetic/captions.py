"""English captions of single frames, for contrastive training of an image tower."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.expression import EXPRESSION_NAMES
from diffmvr.data.synthetic.identity import Identity, Mark
from diffmvr.data.synthetic.rng import FloatArray

_HAIR = {
    "bald": ("a bald head", "no hair"),
    "fuzz": ("thin {hair} hair", "{hair} fuzz on the head"),
    "short": ("short {hair} hair", "close {hair} hair"),
    "full": ("full {hair} hair", "{hair} hair with a fringe"),
    "curly": ("curly {hair} hair", "{hair} curls"),
    "cap": ("a {fabric} cap", "a {fabric} knitted hat"),
    "headband": ("a {fabric} headband with a flower", "a {fabric} hair band"),
}
_MARKS = {
    "mole": ("a mole", "a dark mole"),
    "birthmark": ("a birthmark", "a red patch"),
    "plaster": ("a plaster", "a sticking plaster"),
    "tube": ("a taped feeding tube", "a thin nasal tube"),
}
_STATES = {
    "rest": ("at rest", "resting", "calm"),
    "move": ("moving", "active", "babbling"),
    "pain": ("in pain", "crying in pain", "with a grimace of pain"),
}
_BACKGROUNDS = {
    "plain": ("a plain {colour} background", "a {colour} sheet"),
    "stripes": ("a striped {colour} blanket", "{colour} stripes behind"),
    "dots": ("a dotted {colour} blanket", "{colour} dots behind"),
    "checks": ("a checked {colour} blanket", "a {colour} check behind"),
    "incubator": ("an incubator", "the glass of an incubator"),
    "quilt": ("a quilted {colour} blanket", "a {colour} quilt"),
}
_OPENINGS = ("a baby", "an infant", "a photo of a baby", "a close view of an infant")
Hidden = tuple[str, tuple[str, ...]]
"""An occluder's description and the parts of the face that it hides."""

_COVERED = ("{thing} covers {part}", "{part} hidden by {thing}", "{thing} over {part}")


def caption_frames(
    rng: np.random.Generator,
    identity: Identity,
    expression: NDArray[np.float32],
    state: tuple[str, ...],
    yaw: FloatArray,
    pattern: str,
    colour: str,
    occluders: list[list[Hidden]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Describe every frame, with and without what hides the face.

    The description of the observed frame is silent about what cannot be seen in it.

    Args:
        rng: the clip's caption stream; it chooses the wording.
        identity: the subject.
        expression: ``[T, E]``.
        state: T states.
        yaw: ``[T]`` radians.
        pattern: background pattern.
        colour: background colour.
        occluders: for each frame what hides which parts.

    Returns:
        Captions of the observed frames and of the clean ones.
    """
    observed, clean = [], []
    for t, values in enumerate(expression):
        parts = _face_parts(rng, identity, dict(zip(EXPRESSION_NAMES, values, strict=True)))
        parts.append(("", _turn(rng, float(yaw[t]))))
        parts.append(("", _pick(rng, _BACKGROUNDS[pattern]).format(colour=colour)))
        parts = [parts[i] for i in rng.permutation(len(parts))]
        head = (
            f"{_pick(rng, _OPENINGS)} with {identity.skin_name} skin, "
            f"{_pick(rng, _STATES[state[t]])}"
        )
        unseen = {part for _, hidden in occluders[t] for part in hidden}
        if {"the left eye", "the right eye"} <= unseen:
            unseen.add("the eyes")
        covers = [
            _pick(rng, _COVERED).format(
                thing=thing, part=" and ".join(hidden[:3]) or "the edge of the picture"
            )
            for thing, hidden in occluders[t]
        ]
        seen = [text for region, text in parts if text and region not in unseen]
        position = int(rng.integers(0, len(seen) + 1))
        clean.append(", ".join([head, *(text for _, text in parts if text)]))
        observed.append(", ".join([head, *seen[:position], *covers, *seen[position:]]))
    return tuple(observed), tuple(clean)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _face_parts(
    rng: np.random.Generator, identity: Identity, e: dict[str, np.float32]
) -> list[tuple[str, str]]:
    """Return (region, description) pairs; the region is empty where nothing hides it."""
    words = {"hair": identity.hair_name, "fabric": identity.fabric_name}
    parts = [("", _pick(rng, _HAIR[identity.hair_style]).format(**words))]

    def say(region: str, *choices: str) -> None:
        parts.append((region, _pick(rng, choices)))

    if e["eye_open"] < 0.15 and e["eye_squeeze"] > 0.4:
        say("the eyes", "eyes squeezed shut", "eyes tightly shut")
    elif e["eye_open"] < 0.15:
        say("the eyes", "eyes closed", "closed eyes")
    else:
        openness = ("half-open ",) if e["eye_open"] < 0.55 else ("", "open ")
        say("the eyes", *(f"{word}{identity.iris_name} eyes" for word in openness))
        if abs(e["gaze_x"]) > 0.5:
            say("the eyes", f"looking to the {'right' if e['gaze_x'] > 0 else 'left'}")
    if e["mouth_open"] > 0.5:
        say("the mouth", "mouth wide open", "a wide open mouth")
    elif e["mouth_open"] > 0.12:
        say("the mouth", "mouth open", "parted lips")
    else:
        say("the mouth", "mouth closed", "closed lips")
    if e["mouth_corner"] > 0.4:
        say("the mouth", "smiling", "a smile")
    if e["brow_lower"] > 0.45:
        say("the eyes", "brows drawn together", "a frown")
    elif e["brow_lower"] < -0.45:
        say("the eyes", "raised brows", "brows raised")
    for mark in identity.marks:
        region, place = _place(mark)
        say(region, *(f"{name} on the {place}" for name in _MARKS[mark.kind]))
    return parts


def _place(mark: Mark) -> tuple[str, str]:
    """Return the region of the face that hides a mark with it, and words for where it is."""
    side = "left" if mark.x < 0 else "right"
    if mark.y < -0.3:
        return "the forehead", f"{side} side of the forehead"
    if abs(mark.x) > 0.4:
        return f"the {side} cheek", f"{side} cheek"
    return "the mouth", f"{side} side of the mouth"


def _turn(rng: np.random.Generator, yaw: float) -> str:
    if abs(yaw) < 0.12:
        return _pick(rng, ("facing the camera", ""))
    side = "right" if yaw > 0 else "left"
    return f"head turned to the {side}" if abs(yaw) > 0.25 else f"slightly turned {side}"
