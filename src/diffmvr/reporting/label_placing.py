"""Labels beside the points of a figure, none over another."""

from collections.abc import Iterator
from typing import Any

import numpy as np

DISTANCES = (10.0, 19.0, 28.0, 37.0)
"""How far from its point a label may stand, in typographic points."""

DIRECTIONS = 12
LETTER = 0.62
"""Width of a letter in font sizes."""

LINE = 1.25
"""Height of a line in font sizes."""

POINT = 7.0
"""Side of a marker."""


def spread_labels(figure: Any, axis: Any) -> None:
    """Move the annotations of a Matplotlib axis so that they cover neither points nor each other.

    Each takes the nearest free place around its point; a thin line leads from those further off.

    Args:
        figure: its size is final.
        axis: its limits are final too.
    """
    # The layout is made here, and must not change for what is moved afterwards.
    for text in axis.texts:
        text.set_in_layout(False)
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    places = [axis.transData.transform(text.xy) * scale for text in axis.texts]
    window = axis.get_window_extent()
    frame = np.array([window.x0, window.y0, window.x1, window.y1]) * scale
    taken = [_box(place, POINT, POINT) for place in places]
    for text, place in zip(axis.texts, places, strict=True):
        size = text.get_fontsize()
        width, height = LETTER * size * len(text.get_text()), LINE * size
        # Where all are taken the first is as good as any.
        offset = next(_offsets())
        for candidate in _offsets():
            box = _box(place + candidate, width, height)
            inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
            if inside and not any(_overlap(box, other) for other in taken):
                offset = candidate
                break
        taken.append(_box(place + offset, width, height))
        text.set(position=tuple(offset), ha="center", va="center")
        text.set_anncoords("offset points")
        if np.linalg.norm(offset) > DISTANCES[1]:
            _lead(axis, text, place / scale, (place + offset) / scale)


def _offsets() -> Iterator[np.ndarray]:
    """Yield places around a point, the nearest first, beginning at the upper right."""
    for distance in DISTANCES:
        for turn in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS + np.pi / 4:
            # Labels are wider than high.
            yield distance * np.array([1.2 * np.cos(turn), np.sin(turn)])


def _lead(axis: Any, text: Any, start: np.ndarray, end: np.ndarray) -> None:
    line = axis.transData.inverted().transform(np.stack([start, end]))
    limits = axis.axis()
    axis.plot(*line.T, color=text.get_color(), linewidth=0.5, alpha=0.6)
    axis.axis(limits)


def _box(centre: np.ndarray, width: float, height: float) -> np.ndarray:
    half = np.array([width, height]) / 2
    return np.concatenate([centre - half, centre + half])


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())
