"""Who is in the clip: everything that all clips of a subject share."""

from dataclasses import dataclass

import numpy as np

from diffmvr.data.synthetic.rng import FloatArray, Stream, generator
from diffmvr.data.synthetic.shapes import RGB, mix

# Skin albedo from very light to very dark, evenly spaced by eye; a subject lies anywhere between.
_SKIN = np.array(
    [
        (240, 211, 196),
        (233, 196, 173),
        (223, 179, 149),
        (209, 160, 125),
        (191, 138, 100),
        (160, 108, 75),
        (125, 82, 57),
        (98, 66, 50),
        (82, 56, 45),
    ],
    dtype=np.float64,
)
SKIN_NAMES = ("very light", "light", "medium", "tan", "brown", "dark", "very dark")

_HAIR: dict[str, RGB] = {
    "black": (30, 26, 26),
    "dark brown": (56, 40, 32),
    "brown": (96, 66, 44),
    "light brown": (142, 104, 68),
    "blond": (206, 170, 112),
    "red": (164, 84, 42),
}
_IRIS: dict[str, RGB] = {
    "dark brown": (54, 34, 24),
    "brown": (98, 62, 36),
    "hazel": (126, 98, 52),
    "green": (92, 116, 74),
    "grey": (116, 128, 138),
    "blue": (78, 122, 168),
}
_FABRIC: dict[str, RGB] = {
    "white": (236, 234, 228),
    "pink": (232, 168, 180),
    "blue": (124, 166, 212),
    "yellow": (238, 212, 130),
    "green": (142, 190, 150),
    "grey": (160, 162, 168),
    "red": (196, 78, 74),
}

HAIR_STYLES = ("bald", "fuzz", "short", "full", "curly", "cap", "headband")
_HAIR_ODDS = (0.10, 0.21, 0.23, 0.17, 0.11, 0.12, 0.06)


@dataclass(frozen=True)
class Mark:
    """Something on one side of the face, so that the mirror image alone is not the truth.

    Attributes:
        kind: ``"mole"``, ``"birthmark"``, ``"plaster"`` or ``"tube"`` (a taped feeding tube).
        x: position in head coordinates, negative on the image's left.
        y: position in head coordinates, down.
        size: radius in head coordinates.
        angle: orientation in radians.
        rgb: albedo, 0–255.
    """

    kind: str
    x: float
    y: float
    size: float
    angle: float
    rgb: RGB


@dataclass(frozen=True)
class Identity:
    """The constant looks of one subject.

    Head coordinates: origin between the eyes, x to the image's right, y down, z to the camera;
    the unit is the distance between the eye centres.  Factors are 1 for the average infant.
    """

    skin_tone: float
    skin: RGB
    lip: RGB
    hair_style: str
    hair: RGB
    hair_name: str
    hairline: float
    iris: RGB
    iris_name: str
    fabric: RGB
    fabric_name: str
    face_width: float
    cheek: float
    jaw: float
    chin: float
    cranium: float
    ear_size: float
    ear_out: float
    eye_size: float
    eye_height: float
    eye_tilt: float
    eye_asymmetry: float
    lid_fold: float
    brow_height: float
    brow_thickness: float
    brow_strength: float
    brow_arch: float
    nose_width: float
    nose_length: float
    nose_depth: float
    mouth_width: float
    mouth_height: float
    mouth_tilt: float
    lip_fullness: float
    blush: float
    mottle: float
    marks: tuple[Mark, ...]

    @property
    def skin_name(self) -> str:
        """One of ``SKIN_NAMES``."""
        return SKIN_NAMES[min(int(self.skin_tone * len(SKIN_NAMES)), len(SKIN_NAMES) - 1)]

    @property
    def radii(self) -> tuple[float, float, float]:
        """Half axes (x, y, z) of the ellipsoid on which the features lie."""
        return 1.29 * self.face_width, 1.62, 1.16

    @property
    def centre_y(self) -> float:
        """Height of the ellipsoid's centre in head coordinates."""
        return -0.2

    def depth(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return z of the face's surface at (x, y); 0.2 at the least, towards the silhouette."""
        a, b, c = self.radii
        inside = 1.0 - (x / a) ** 2 - ((y - self.centre_y) / b) ** 2
        return c * np.sqrt(np.maximum(inside, 0.03))


def sample_identity(seed: int, subject: int) -> Identity:
    """Draw the looks of a subject; the same for every clip of that subject."""
    rng = generator(seed, subject, 0, Stream.IDENTITY)
    tone = float(rng.uniform())
    skin = skin_albedo(rng, tone)
    lip_depth = float(rng.uniform(0.35, 0.75))
    lip = mix(skin, mix((206, 104, 104), (112, 50, 52), tone), lip_depth)

    style = str(rng.choice(HAIR_STYLES, p=_HAIR_ODDS))
    hair_name = str(rng.choice(list(_HAIR), p=_hair_odds(tone)))
    iris_name = str(rng.choice(list(_IRIS), p=_iris_odds(tone)))
    fabric_name = str(rng.choice(list(_FABRIC)))

    def about_one(spread: float) -> float:
        return float(1.0 + spread * np.clip(rng.normal(), -2, 2) / 2)

    return Identity(
        skin_tone=tone,
        skin=skin,
        lip=lip,
        hair_style=style,
        hair=_jitter(rng, _HAIR[hair_name], 5),
        hair_name=hair_name,
        hairline=float(rng.uniform(-1.12, -0.86)),
        iris=_jitter(rng, _IRIS[iris_name], 8),
        iris_name=iris_name,
        fabric=_jitter(rng, _FABRIC[fabric_name], 10),
        fabric_name=fabric_name,
        face_width=about_one(0.08),
        cheek=float(rng.uniform(0.0, 1.0)),
        jaw=float(rng.uniform(0.0, 1.0)),
        chin=about_one(0.06),
        cranium=about_one(0.06),
        ear_size=about_one(0.25),
        ear_out=float(rng.uniform(0.0, 1.0)),
        eye_size=about_one(0.14),
        eye_height=about_one(0.16),
        eye_tilt=float(rng.uniform(-0.06, 0.10)),
        eye_asymmetry=float(rng.uniform(-0.05, 0.05)),
        lid_fold=float(rng.uniform(0.0, 1.0)),
        brow_height=about_one(0.16),
        brow_thickness=about_one(0.45),
        brow_strength=float(rng.uniform(0.0, 0.8)),
        brow_arch=float(rng.uniform(0.3, 1.0)),
        nose_width=about_one(0.28),
        nose_length=about_one(0.12),
        nose_depth=about_one(0.25),
        mouth_width=about_one(0.18),
        mouth_height=about_one(0.06),
        mouth_tilt=float(rng.uniform(-0.025, 0.025)),
        lip_fullness=about_one(0.45),
        blush=float(rng.uniform(0.15, 1.0)),
        mottle=float(rng.uniform(0.2, 1.0)),
        marks=_sample_marks(rng, skin, tone),
    )


def _jitter(rng: np.random.Generator, rgb: RGB, spread: float) -> RGB:
    values = np.clip(np.asarray(rgb) + rng.uniform(-spread, spread, 3), 0, 255)
    return float(values[0]), float(values[1]), float(values[2])


def skin_albedo(rng: np.random.Generator, tone: float) -> RGB:
    """Interpolate the skin scale and lean it to a rosy, golden or olive undertone."""
    position = tone * (len(_SKIN) - 1)
    base = [float(np.interp(position, np.arange(len(_SKIN)), _SKIN[:, c])) for c in range(3)]
    undertone = rng.uniform(-1.0, 1.0)
    lean = np.array([3.0, -2.0, -3.0]) if undertone > 0 else np.array([-2.0, 0.5, -5.0])
    rgb = np.clip(np.asarray(base) * (1 + lean / 100 * abs(undertone) * 1.6), 0, 255)
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def _hair_odds(tone: float) -> FloatArray:
    light = max(0.0, 1.0 - 1.7 * tone)
    odds = np.array([0.3 + tone, 0.3 + 0.5 * tone, 0.35, 0.5 * light, 0.5 * light, 0.22 * light])
    return odds / odds.sum()


def _iris_odds(tone: float) -> FloatArray:
    light = max(0.0, 1.0 - 1.6 * tone)
    odds = np.array(
        [0.2 + 1.2 * tone, 0.4, 0.22 * light + 0.03, 0.25 * light, 0.3 * light, 0.6 * light]
    )
    return odds / odds.sum()


def _sample_marks(rng: np.random.Generator, skin: RGB, tone: float) -> tuple[Mark, ...]:
    marks: list[Mark] = []

    def place(x: tuple[float, float], y: tuple[float, float]) -> tuple[float, float]:
        side = 1.0 if rng.uniform() < 0.5 else -1.0
        return side * float(rng.uniform(*x)), float(rng.uniform(*y))

    dark = mix(skin, (44, 26, 22) if tone < 0.7 else (20, 12, 12), 0.72)
    for _ in range(int(rng.choice(4, p=[0.45, 0.35, 0.14, 0.06]))):
        x, y = (
            place((0.12, 0.85), (0.25, 0.95))
            if rng.uniform() < 0.7
            else place((0.1, 0.8), (-0.85, -0.6))
        )
        marks.append(Mark("mole", x, y, float(rng.uniform(0.035, 0.07)), 0.0, dark))
    if rng.uniform() < 0.3:
        x, y = (
            place((0.3, 0.8), (-0.8, -0.62))
            if rng.uniform() < 0.45
            else place((0.5, 0.85), (0.4, 0.75))
        )
        red = mix(
            skin, (168, 44, 56) if tone < 0.6 else (34, 18, 22), float(rng.uniform(0.35, 0.7))
        )
        angle = float(rng.uniform(0, np.pi))
        marks.append(Mark("birthmark", x, y, float(rng.uniform(0.12, 0.28)), angle, red))
    if rng.uniform() < 0.12:
        x, y = (
            place((0.35, 0.7), (0.42, 0.7))
            if rng.uniform() < 0.6
            else place((0.2, 0.6), (-0.85, -0.7))
        )
        angle = float(rng.uniform(-0.7, 0.7))
        marks.append(Mark("plaster", x, y, float(rng.uniform(0.17, 0.24)), angle, (222, 178, 140)))
    if rng.uniform() < 0.12:
        x, y = place((0.55, 0.72), (0.52, 0.66))
        marks.append(Mark("tube", x, y, 0.2, 0.0, (226, 232, 226)))
    return tuple(marks)
