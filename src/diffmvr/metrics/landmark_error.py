"""Where the landmarks of a restored face lie, against those of the clean one.

Legend: T frames, K landmarks, H × W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.structures import FloatArray, UInt8Array


@dataclass(frozen=True)
class LandmarkTally:
    """What was found of hidden landmarks in some frames; tallies add up.

    Attributes:
        total: sum over frames of the mean distance over the distance of the eyes.
        found: frames in ``total``: those that count and in which the restored face was found.
        counted: frames that count.
        unknown: frames with a hole whose clean face was not found.
    """

    total: float
    found: int
    counted: int
    unknown: int

    def scores(self) -> dict[str, float]:
        """Return the scores of :func:`landmark_error`."""
        return {
            "landmark_error_hole": self.total / self.found if self.found else float("nan"),
            "landmark_found": self.found / self.counted if self.counted else float("nan"),
            "landmark_frames": float(self.counted),
            "landmark_frames_unknown": float(self.unknown),
        }


def landmark_error(
    restored: FloatArray,
    clean: FloatArray,
    mask: UInt8Array,
    eyes: Sequence[Sequence[int]],
) -> dict[str, float]:
    """Measure how far hidden landmarks are off after restoration.

    A landmark counts in the frames in whose hole its clean position lies, and its distance is
    divided by that frame's distance of the (clean) eye centres, so that faces of all sizes compare.
    A frame counts if something of the face is in its hole, that is if the clean face was found and
    one of its landmarks lies there.  Frames average over their landmarks, the clip over its frames.

    Args:
        restored: ``[T, K, 2]`` (x, y) in pixels found in the restored frames; a frame is NaN where
            no face was found.
        clean: ``[T, K, 2]`` the same of the clean frames.
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
        eyes: the indices of the landmarks whose mean is the centre of one eye, and of the other.

    Returns:
        By name, NaN where there is nothing to score:

        - ``landmark_error_hole``: mean distance over the distance of the eyes, over the frames that
          count and in which the restored face was found
        - ``landmark_found``: share of the frames that count in which it was found.  A restoration
          that spoils a face altogether shows here, not in its error.
        - ``landmark_frames``: number of the frames that count
        - ``landmark_frames_unknown``: number of frames with a hole whose clean face was not found

    Raises:
        ValueError: if the shapes do not fit, or a frame is found in part.
    """
    return tally_landmarks(restored, clean, mask, eyes).scores()


def tally_landmarks(
    restored: FloatArray,
    clean: FloatArray,
    mask: UInt8Array,
    eyes: Sequence[Sequence[int]],
) -> LandmarkTally:
    """Count and sum up what :func:`landmark_error` averages; the arguments are the same."""
    check_shape("clean", clean, (None, None, 2))
    check_same_shape("restored", restored, "clean", clean)
    check_shape("mask", mask, (len(clean), None, None))
    known, found = _found("clean", clean), _found("restored", restored)
    with_hole = mask.any(axis=(1, 2))
    total, counted, counted_found = 0.0, 0, 0
    for t in np.flatnonzero(with_hole & known):
        hidden = _in_hole(clean[t], mask[t])
        if not hidden.any():
            continue
        counted += 1
        if found[t]:
            counted_found += 1
            left, right = (clean[t, list(eye)].mean(axis=0) for eye in eyes)
            distance = np.linalg.norm(restored[t, hidden] - clean[t, hidden], axis=1).mean()
            total += float(distance / np.linalg.norm(right - left))
    return LandmarkTally(total, counted_found, counted, int((with_hole & ~known).sum()))


def _found(name: str, points: FloatArray) -> NDArray[np.bool_]:
    """Return ``[T]`` bool, True where a face was found."""
    missing: NDArray[np.int64] = np.isnan(points).sum(axis=(1, 2))
    partly = (missing > 0) & (missing < 2 * points.shape[1])
    if partly.any():
        raise ValueError(
            f"{name}: expected all landmarks of a frame or NaN throughout, got some of them in "
            f"frame {int(np.flatnonzero(partly)[0])}"
        )
    return missing == 0


def _in_hole(points: FloatArray, mask: UInt8Array) -> NDArray[np.bool_]:
    """Return ``[K]`` bool, True for points on a hidden pixel; outside the frame nothing is."""
    x, y = np.rint(points).astype(int).T
    height, width = mask.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    hidden = np.zeros(len(points), bool)
    hidden[inside] = mask[y[inside], x[inside]] != 0
    return hidden
