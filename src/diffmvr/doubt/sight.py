"""What is known of a restored frame when it has just been restored."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffmvr.doubt.judgement import Judged
from diffmvr.preprocessing.evidence import Evidence
from diffmvr.structures import FloatArray, UInt8Array


@dataclass(frozen=True, eq=False)
class Sight:
    """A restored frame in the square that was filled, at the size of its evidence, h × w.

    Attributes:
        index: number of the frame in the recording.
        time: seconds.
        evidence: how far references explain what is visible.
        matrix: ``[2, 3]``, pixels of the frame → pixels of the evidence.
        filled: ``[h, w, 3]`` uint8, the restored frame.
        mirrored: ``[h, w]`` float32, how far the mirrored half of the face and the references
            disagree, in grey levels; NaN where either is unknown.
        correction: ``[h, w]`` float32, how much the model has changed, in grey levels.
        hidden_share: of the face, in [0, 1].
        age: seconds since the nearest clear view, negative if it is later; ``None`` if none is of
            the recording.
        trial_error: root mean squared error, in grey levels, of clear frames of the recording that
            were hidden and restored; ``None`` if too few could be tried.
    """

    index: int
    time: float
    evidence: Evidence
    matrix: FloatArray
    filled: UInt8Array
    mirrored: NDArray[np.float32]
    correction: NDArray[np.float32]
    hidden_share: float
    age: float | None
    trial_error: float | None


class Judge(Protocol):
    """Anything that is shown restored frames and says how sure they are."""

    def __call__(self, sight: Sight) -> Judged:
        """Judge one frame; several may be judged at once."""
        ...

    def blind(self, hidden_share: float | None, why: str) -> Judged:
        """Say that nothing is known to judge a frame by.

        Args:
            hidden_share: of the face; ``None`` where none was found.
            why: in plain words.
        """
        ...
