"""What is known of each hidden pixel beforehand, as numbers that grow with doubt.

Each is ≥ 0, and larger means that the pixel is to be trusted less, so that a sum of them with
weights ≥ 0 can be read (``model.py``).  No truth is looked at.

F features, h × w pixels of a sight.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.doubt.sight import Sight
from diffmvr.geometry import distance_inside

FEATURES = (
    # 1, everywhere.
    "always",
    # Standard deviation of the references from their mixture, in grey levels.
    "disagreement",
    # By how much the mixture misses what is visible around the pixel, in grey levels.
    "missed_around",
    # The same near the hole as a whole.
    "missed",
    # Mean difference of neighbouring pixels in what is shown, in grey levels: what is carried to a
    # wrong place is more wrong at an edge.
    "contrast",
    # How deep in the hole, in hundredths of the crop's side.
    "depth",
    # ln(1 + seconds to the nearest clear view).
    "age",
    # Hidden share of the face.
    "hidden",
    # How far the mirrored half and the references disagree, in grey levels.
    "mirrored",
    # How much the model has changed, in grey levels.
    "correction",
    # 1 where no reference shows the pixel.
    "unseen",
    # What clear frames of the recording, hidden and restored, were wrong by, in grey levels.
    "trial_error",
)

PER_FRAME = ("missed", "age", "hidden", "trial_error")
"""Features that are the same all over a frame."""

BLUR = 1.5
"""Width of the blur of contrast, disagreement and correction (standard deviation, in pixels of a
sight): their places are no more exact than that."""

LARGEST_DEPTH = 50.0


def pixel_features(sight: Sight) -> NDArray[np.float32]:
    """Return ``[F, h, w]``, in the order of ``FEATURES``.

    NaN stands for what cannot be told of the whole frame: an age, if no clear view is of the
    recording, and a trial's error, if there was none.
    """
    evidence = sight.evidence
    size = evidence.mask.shape
    side = min(size)
    maps: dict[str, Any] = {
        "always": 1.0,
        "disagreement": _blurred(evidence.deviation),
        "missed_around": evidence.missed_around,
        "missed": evidence.missed_near_hole,
        "contrast": _contrast(sight),
        "depth": np.minimum(100 * distance_inside(evidence.mask != 0) / side, LARGEST_DEPTH),
        "age": np.nan if sight.age is None else np.log1p(abs(sight.age)),
        "hidden": sight.hidden_share,
        "mirrored": _mirrored(sight),
        "correction": _blurred(sight.correction),
        "unseen": ~evidence.mixture[1],
        "trial_error": np.nan if sight.trial_error is None else sight.trial_error,
    }
    features = np.empty((len(FEATURES), *size), np.float32)
    for place, name in enumerate(FEATURES):
        features[place] = maps[name]
    return features


def _blurred(field: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred: Any = cv2.GaussianBlur(field, (0, 0), BLUR)
    return blurred


def _contrast(sight: Sight) -> NDArray[np.float32]:
    grey: Any = cv2.cvtColor(sight.filled, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *step, ksize=3, scale=1 / 8) for step in _STEPS)
    return _blurred(cv2.magnitude(across, down))


_STEPS = ((1, 0), (0, 1))


def _mirrored(sight: Sight) -> NDArray[np.float32]:
    """Return the disagreement with the mirror; where it is unknown, its mean over the hole."""
    known = np.isfinite(sight.mirrored)
    inside = known & (sight.evidence.mask != 0)
    mean = np.float32(sight.mirrored[inside].mean() if inside.any() else 0)
    return np.asarray(np.where(known, sight.mirrored, mean), np.float32)
