"""How far references of a face explain what is visible, and how far they disagree (ours).

K references, h × w pixels of the current picture's reduced form.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.preprocessing.layers import weighted_mean
from diffmvr.preprocessing.weighing import LOCALITY, near_hole
from diffmvr.structures import UInt8Array

FloatImage = NDArray[np.float32]

LEAST_WEIGHT = 0.2
"""Where references of less weight in sum are known, the newest alone is shown."""

NOTHING_NEAR = 0.01
"""Weight of the frame's mean miss in the mean around a pixel, in that of a surrounding that is all
visible."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Carried references beside the frame that they are carried to.

    Attributes:
        image: ``[h, w, 3]`` uint8, the current picture; its hidden pixels are not looked at.
        mask: ``[h, w]`` 0/1, 1 = hidden.
        shown: ``[K, h, w, 3]`` float32, what each shows, in the light of the current frame.
        known: ``[K, h, w]`` bool.
        weights: ``[K, h, w]``, with which they are mixed.
        trust: ``[K, h, w]``, how far what is visible speaks for each.
    """

    image: UInt8Array
    mask: UInt8Array
    shown: FloatImage
    known: NDArray[np.bool_]
    weights: FloatImage
    trust: FloatImage

    @cached_property
    def mixture(self) -> tuple[FloatImage, NDArray[np.bool_]]:
        """``[h, w, 3]``, and ``[h, w]`` bool, where enough of it is known."""
        pairs = [*zip(self.shown, self.known, strict=True)]
        return weighted_mean(pairs, [*self.weights], LEAST_WEIGHT)

    @cached_property
    def deviation(self) -> FloatImage:
        """``[h, w]``, how far the references disagree, in grey levels.

        Standard deviation over them, weighted by their trust, from the mixture; mean over the
        channels.  It is the posterior's, if the references are samples of this face.
        """
        mixture, enough = self.mixture
        middle = np.where(enough[..., None], mixture, self.shown[-1])
        squares = ((self.shown - middle) ** 2).mean(axis=-1)
        trust = np.abs(self.trust) * self.known
        total = np.maximum(trust.sum(axis=0), np.float32(1e-6))
        return np.asarray(np.sqrt((trust * squares).sum(axis=0) / total), np.float32)

    @cached_property
    def compared(self) -> NDArray[np.bool_]:
        """``[h, w]``, where the mixture can be held against what is visible."""
        return np.asarray((self.mask == 0) & self.mixture[1])

    @cached_property
    def missed(self) -> FloatImage:
        """``[h, w]``, by how much the mixture misses what is visible, in grey levels; else 0."""
        difference = np.abs(self.mixture[0] - self.image.astype(np.float32)).mean(axis=-1)
        return np.where(self.compared, difference, np.float32(0))

    @cached_property
    def missed_near_hole(self) -> float:
        """The mean of that near the hole, in grey levels; 0 if nothing is visible there."""
        weight = near_hole(self.mask) * self.compared
        return float((weight * self.missed).sum() / max(float(weight.sum()), 1e-6))

    @cached_property
    def missed_around(self) -> FloatImage:
        """``[h, w]``, the mean of that around each pixel, as far as weights of a mixture look."""
        sigma = LOCALITY * min(self.mask.shape)
        # A blur this wide is the same at a coarser resolution.
        size = [max(1, side // 4) for side in self.mask.shape[::-1]]
        parts = (self.missed, self.compared.astype(np.float32))
        coarse = [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts]
        total, share = (cv2.GaussianBlur(part, (0, 0), sigma / 4) for part in coarse)
        far = np.float32(NOTHING_NEAR)
        mean: Any = (total + far * np.float32(self.missed_near_hole)) / (share + far)
        return np.asarray(cv2.resize(mean, self.mask.shape[::-1]), np.float32)
