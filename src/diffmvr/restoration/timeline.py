"""The course of a recording as a picture: when hidden, how old the nearest view, how sure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffmvr.restoration.report import FrameRecord
from diffmvr.structures import FloatArray

BLUE, ORANGE, GREY = "#2a6f97", "#d95f02", "#777777"


def draw_timeline(records: Sequence[FrameRecord], path: Path) -> Path:
    """Draw the records of a recording over its seconds, as PNG.

    Frames that are not restored are marked below the expected error; lines break where nothing can
    be told.
    """
    # It draws with Matplotlib and reads tables, which take a second to import.
    from diffmvr.reporting.canvas import new_axes, save_figure

    times = np.array([record.time for record in records])
    share, age, expected, low, high = (np.full(len(records), np.nan) for _ in range(5))
    withheld = np.zeros(len(records), bool)
    for place, record in enumerate(records):
        doubt = record.doubt
        if doubt is None:
            share[place] = 0.0
            continue
        if doubt.hidden_share is not None:
            share[place] = 100 * doubt.hidden_share
        withheld[place] = doubt.abstained
        age[place] = np.nan if doubt.age is None else abs(doubt.age)
        if doubt.expected_error is not None:
            expected[place] = doubt.expected_error
            low[place], high[place] = doubt.error_interval or (np.nan, np.nan)
    figure, axes = new_axes(3, 1, (9.0, 5.0))
    hidden, ages, errors = axes[:, 0]
    hidden.fill_between(times, share, step="mid", color=BLUE, alpha=0.6, linewidth=0)
    hidden.set_ylabel("hidden share\nof the face, %")
    hidden.set_ylim(0, 100)
    _line(ages, times, age, BLUE)
    ages.set_ylabel("nearest clear\nview, s away")
    ages.set_ylim(bottom=0)
    errors.fill_between(times, low, high, color=ORANGE, alpha=0.25, linewidth=0)
    _line(errors, times, expected, ORANGE)
    errors.set_ylabel("expected error,\ngrey levels")
    errors.set_ylim(bottom=0)
    if withheld.any():
        bottom = np.zeros(withheld.sum())
        errors.plot(times[withheld], bottom, "|", color="black", markersize=12, clip_on=False)
        errors.set_xlabel("seconds; black marks: not restored")
    else:
        errors.set_xlabel("seconds")
    for axis in axes[:, 0]:
        axis.set_xlim(times[0] if len(times) else 0, max(times[-1], 1e-3) if len(times) else 1)
        axis.grid(alpha=0.3, color=GREY)
        axis.spines[["top", "right"]].set_visible(False)
    return save_figure(figure, path)


def _line(axis: object, times: FloatArray, values: FloatArray, colour: str) -> None:
    """Draw a line that breaks at NaN; a value alone between two of them is a dot."""
    known = np.isfinite(values)
    alone = known & ~np.roll(known, 1) & ~np.roll(known, -1)
    axis.plot(times, values, color=colour)  # type: ignore[attr-defined]
    axis.plot(times[alone], values[alone], ".", color=colour)  # type: ignore[attr-defined]
