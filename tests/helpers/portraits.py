"""Drawn people photographed twice: faces whose 478 landmarks are known without a landmarker."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from diffmvr.data.portraits import source as source_module
from diffmvr.data.portraits.anatomy import EYE_RINGS, IRISES, LIDS, LOWER_LIP, OVAL, UPPER_LIP
from diffmvr.data.portraits.portrait import Still

SIDE = 160
UNIT = 34.0


def drawn_landmarks(smile: float = 0.0) -> np.ndarray:
    """Return ``[478, 2]`` pixels of a face whose mouth opens and widens with ``smile``."""
    points = np.random.default_rng(7).uniform(-0.5, 0.5, (478, 2)) * [1.4, 1.6] + [0.0, 0.45]
    angle = np.linspace(-np.pi / 2, 1.5 * np.pi, len(OVAL), endpoint=False)
    points[list(OVAL)] = np.stack([1.15 * np.cos(angle), 0.47 + 1.37 * np.sin(angle)], axis=1)
    for centre, (upper, lower) in zip((-0.5, 0.5), LIDS, strict=True):
        along = np.linspace(-1, 1, len(upper))
        bow = 0.09 * np.sqrt(1 - along**2)
        for sign, edge in ((-1, upper), (1, lower)):
            points[list(edge)] = np.stack([centre + 0.24 * along, sign * bow], axis=1)
    points[list(IRISES)] = [(-0.5, 0.0), (0.5, 0.0)]
    for depth, (upper, lower) in enumerate(zip(UPPER_LIP, LOWER_LIP, strict=True)):
        along = np.linspace(-1, 1, len(upper))
        bow = np.sqrt(1 - along**2)
        wide = 0.3 + 0.03 * depth + 0.12 * smile
        for sign, row in ((-1, upper), (1, lower)):
            opened = 0.004 + 0.06 * smile + 0.03 * depth
            y = 1.1 + sign * opened * bow - 0.05 * smile * along**2
            points[list(row)] = np.stack([wide * along, y], axis=1)
    return points * UNIT + [SIDE / 2 - 0.5, 0.42 * SIDE]


def drawn_still(person: int = 0, smile: float = 0.0) -> Still:
    """Draw a face: skin, eyes and lips of flat colours over texture."""
    rng = np.random.default_rng(person)
    points = drawn_landmarks(smile)
    coarse = rng.integers(60, 200, (20, 20, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)

    def fill(outline: np.ndarray, colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(image, [np.rint(outline * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

    fill(points[list(OVAL)], (205 - 30 * person, 160, 135))
    for ring in EYE_RINGS:
        fill(points[list(ring)], (240, 240, 240))
    fill(points[[*UPPER_LIP[3], *LOWER_LIP[3][::-1]]], (180, 80, 80))
    if smile:
        fill(points[[*UPPER_LIP[0], *LOWER_LIP[0][::-1]]], (250, 250, 245))
    return Still(image, points)


def write_pairs(folder: Path, people: int) -> list[str]:
    """Write a neutral and a smiling picture of each of so many people; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"p{number:02d}" for number in range(people)]
    for number, name in enumerate(names):
        for expression, smile in (("neutral", 0.0), ("smiling", 1.0)):
            image = drawn_still(number, smile).image
            cv2.imwrite(str(folder / f"{name}_{expression}.png"), image[..., ::-1])
    return names


class DrawnFaces:
    """Stands in for ``FaceLandmarker``: it finds drawn faces, first neutral, then smiling ones."""

    def __init__(self, *_: object, **__: object) -> None:
        self.seen = 0

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        """Return the landmarks of the next picture; none in one without texture."""
        self.seen += 1
        return drawn_landmarks(float(self.seen == 2)) if image.std() > 1 else None

    def close(self) -> None:
        """Forget nothing: there is one for each pair."""


def find_drawn_faces(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> str:
    """Let portraits find drawn faces; return the landmarker's setting."""
    bundle.write_bytes(b"")
    monkeypatch.setattr(source_module, "FaceLandmarker", DrawnFaces)
    monkeypatch.setattr(source_module, "find_spec", lambda name: name)
    return str(bundle)
