"""How light skin looks in a picture: the individual typology angle (ITA).

ITA = arctan((L* − 50) / b*) · 180 / π of CIELAB under D65 (Chardon et al., International Journal of
Cosmetic Science 13, 1991); its six classes are those of Del Bino and Bernerd (British Journal of
Dermatology 169, 2013).  Of a photograph it is *apparent*: light and camera change it, too.
"""

import cv2
import numpy as np

from diffmvr.checks import check_shape
from diffmvr.structures import FloatArray, UInt8Array

CHEEKS = (50, 205, 280, 425)
"""Landmarks of MediaPipe on the two cheeks."""

RADIUS = 0.05
"""Of the discs that are read around them, in face widths."""

CLASSES = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
)
"""Least angle in degrees of each class; below the last it is ``DARKEST``."""

DARKEST = "dark"


def apparent_ita(image: UInt8Array, landmarks: FloatArray) -> float:
    """Return the angle in degrees of the median cheek skin of a face that nothing hides.

    Args:
        image: ``[H, W, 3]`` uint8 sRGB.
        landmarks: ``[478, 2]`` in pixels.

    Raises:
        ValueError: if the cheeks are not in the picture.
    """
    check_shape("landmarks", landmarks, (None, 2))
    rows, columns = np.indices(image.shape[:2])
    radius = RADIUS * float(np.ptp(landmarks[:, 0]))
    cheek = np.zeros(image.shape[:2], bool)
    for x, y in landmarks[list(CHEEKS)]:
        cheek |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    if not cheek.any():
        raise ValueError("landmarks: expected cheeks in the picture, got none of their pixels")
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    lightness, _, yellow = np.median(lab[cheek], axis=0)
    return ita(float(lightness), float(yellow))


def ita(lightness: float, yellow: float) -> float:
    """Return the angle in degrees of L* and b*.

    >>> round(ita(65.0, 15.0), 1), round(ita(40.0, 20.0), 1)
    (45.0, -26.6)
    """
    return float(np.degrees(np.arctan2(lightness - 50, max(yellow, 1e-6))))


def skin_class(angle: float) -> str:
    """Return the class of an angle in degrees.

    >>> skin_class(56), skin_class(45), skin_class(-26.6), skin_class(-40)
    ('very light', 'light', 'brown', 'dark')
    """
    return next((name for least, name in CLASSES if angle > least), DARKEST)
