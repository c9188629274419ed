"""What a face says, against a loop in plain Python."""

import math
from statistics import fmean, median

import numpy as np
import pytest

from diffmvr.metrics.blendshape_error import (
    BlendshapeDistances,
    blendshape_distances,
    blendshape_error,
)

T, E = 12, 52


def readings(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Restored and clean readings with some faces missing, references and hidden frames."""
    rng = np.random.default_rng(seed)
    clean, restored = rng.uniform(size=(2, T, E))
    reference = np.array([-1, 0, 1, *[1] * 5, 7, 8, 8, 8])
    hidden = np.array([True, False, *[True] * 5, False, False, True, True, True])
    restored[4] = clean[6] = np.nan
    return restored, clean, reference, hidden


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return fmean(abs(float(x) - float(y)) for x, y in zip(a, b, strict=True))


def test_against_a_loop_in_plain_python() -> None:
    restored, clean, reference, hidden = readings()
    scores = blendshape_error(blendshape_distances(restored, clean, reference), hidden)

    counted = [t for t in range(T) if hidden[t] and not math.isnan(clean[t, 0])]
    found = [t for t in counted if not math.isnan(restored[t, 0])]
    change = {t: distance(clean[t], clean[reference[t]]) for t in counted if reference[t] >= 0}
    changed = [t for t in counted if t in change and change[t] > median(change.values())]
    changed_found = [t for t in changed if t in found]
    assert scores == {
        "blendshape_error": pytest.approx(fmean(distance(restored[t], clean[t]) for t in found)),
        "blendshape_error_changed": pytest.approx(
            fmean(distance(restored[t], clean[t]) for t in changed_found)
        ),
        "blendshape_found": len(found) / len(counted),
        "blendshape_found_changed": len(changed_found) / len(changed),
        "blendshape_frames": len(counted),
        "blendshape_frames_unknown": 1,
    }
    assert 0 not in change and len(counted) == 8 and 0 < len(changed) < len(change)


def test_the_truth_itself_has_no_error() -> None:
    _, clean, reference, hidden = readings()
    scores = blendshape_error(blendshape_distances(clean, clean, reference), hidden)
    assert scores["blendshape_error"] == scores["blendshape_error_changed"] == 0
    assert scores["blendshape_found"] == 1


def test_the_old_face_is_right_where_nothing_changed_and_wrong_where_it_did() -> None:
    clean = np.zeros((6, E))
    clean[3:] = 0.5
    reference = np.zeros(6, int)
    hidden = np.arange(6) > 0
    old = blendshape_error(blendshape_distances(np.zeros((6, E)), clean, reference), hidden)
    assert old["blendshape_error"] == pytest.approx(0.3)
    # Median of (0, 0, ½, ½, ½) is ½, and none is above it: ties do not count as changed.
    assert math.isnan(old["blendshape_error_changed"])
    clean[5] = 0.6
    old = blendshape_error(blendshape_distances(np.zeros((6, E)), clean, reference), hidden)
    assert old["blendshape_error_changed"] == pytest.approx(0.6)


def test_a_restored_face_that_is_never_found_is_counted_not_dropped() -> None:
    _, clean, reference, hidden = readings()
    nothing = np.full_like(clean, np.nan)
    scores = blendshape_error(blendshape_distances(nothing, clean, reference), hidden)
    assert math.isnan(scores["blendshape_error"]) and scores["blendshape_found"] == 0
    assert scores["blendshape_frames"] == 8
    none = blendshape_error(blendshape_distances(clean, clean, reference), np.zeros(T, bool))
    assert none["blendshape_frames"] == 0 and math.isnan(none["blendshape_found"])


def test_shapes_that_do_not_fit_are_refused() -> None:
    restored, clean, reference, hidden = readings()
    with pytest.raises(ValueError, match="restored"):
        blendshape_distances(restored[:-1], clean, reference)
    with pytest.raises(ValueError, match="reference"):
        blendshape_distances(restored, clean, reference[:-1])
    distances = BlendshapeDistances(np.zeros(3), np.zeros(3), np.ones(3, bool))
    with pytest.raises(ValueError, match="hidden"):
        blendshape_error(distances, hidden)
