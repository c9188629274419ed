"""Does a restored real face still say what the clean one says?  By its blendshapes.

A blendshape is a number in [0, 1]: how far one movement of the face (the jaw opens, an eye closes)
is shown.  The distance of two faces is the mean absolute difference over all of them.

Legend: T frames, N some of them, E blendshapes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffmvr.checks import check_same_shape, check_shape
from diffmvr.structures import FloatArray


@dataclass(frozen=True)
class BlendshapeDistances:
    """What is known of the expression in each frame; NaN where a face was not found.

    Attributes:
        error: ``[T]``, distance of the restored face from the clean one.
        change: ``[T]``, distance of the clean face from the one in the newest clear frame; NaN also
            where there is no such frame.
        known: ``[T]`` bool, whether the clean face was found.
    """

    error: FloatArray
    change: FloatArray
    known: NDArray[np.bool_]


def blendshape_distances(
    restored: FloatArray, clean: FloatArray, reference: NDArray[np.int64]
) -> BlendshapeDistances:
    """Compare the expressions of restored frames with those of the clean ones.

    Args:
        restored: ``[T, E]`` read from the restored frames; a frame without a face is NaN.
        clean: ``[T, E]`` the same of the clean frames.
        reference: ``[T]`` index of the newest clear frame before each, -1 for none.

    Raises:
        ValueError: if the shapes do not fit.
    """
    check_shape("clean", clean, (None, None))
    check_same_shape("restored", restored, "clean", clean)
    check_shape("reference", reference, (len(clean),))
    change = np.abs(clean - clean[reference]).mean(axis=1)
    missing: NDArray[np.int64] = np.isnan(clean).sum(axis=1)
    return BlendshapeDistances(
        error=np.abs(restored - clean).mean(axis=1),
        change=np.where(reference >= 0, change, np.nan),
        known=missing == 0,
    )


def blendshape_error(distances: BlendshapeDistances, hidden: NDArray[np.bool_]) -> dict[str, float]:
    """Average the distances over the frames whose face is hidden.

    Args:
        distances: of T frames.
        hidden: ``[T]`` bool, whose face is not clear.

    Returns:
        By name, NaN where there is nothing to score:

        - ``blendshape_error``: mean distance over the hidden frames in which both faces were found
        - ``blendshape_error_changed``: the same over those whose clean expression is further from
          the newest clear frame's than in the median hidden frame.  Whoever shows that frame's face
          again is right in the others and wrong in these.
        - ``blendshape_found``: share of the hidden frames with a known clean face in which the
          restored face was found.  A restoration that spoils a face altogether shows here, not in
          its error.
        - ``blendshape_found_changed``: the same share of the changed ones
        - ``blendshape_frames``: number of hidden frames whose clean face is known
        - ``blendshape_frames_unknown``: number of those whose clean face is not
    """
    check_shape("hidden", hidden, (len(distances.error),))
    counted = hidden & distances.known
    changes = distances.change[counted]
    changed = np.zeros_like(counted)
    if np.isfinite(changes).any():
        # A comparison with NaN is false: a frame without a reference is not among the changed.
        changed = counted & (distances.change > np.nanmedian(changes))
    error, found = _mean_of_found(distances.error[counted])
    error_changed, found_changed = _mean_of_found(distances.error[changed])
    return {
        "blendshape_error": error,
        "blendshape_error_changed": error_changed,
        "blendshape_found": found,
        "blendshape_found_changed": found_changed,
        "blendshape_frames": float(counted.sum()),
        "blendshape_frames_unknown": float((hidden & ~distances.known).sum()),
    }


def _mean_of_found(errors: FloatArray) -> tuple[float, float]:
    """Return the mean of ``[N]`` errors that are numbers, and their share."""
    found = np.isfinite(errors)
    mean = float(errors[found].mean()) if found.any() else float("nan")
    return mean, float(found.mean()) if len(errors) else float("nan")
