"""A user's own picture as a guide (paper appendix: guides steer colour and texture)."""

from dataclasses import dataclass

import numpy as np

from diffmvr.checks import check_shape
from diffmvr.geometry import compose, invert
from diffmvr.preprocessing.crop import CropTransform, square_region
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.structures import FloatArray, UInt8Array


@dataclass(frozen=True)
class OwnGuide:
    """One picture that is a guide of every frame.

    Attributes:
        image: ``[H, W, 3]`` uint8.
        similarity: ``[2, 3]``, canonical face coordinates → pixels of the picture, or ``None``
            if no face was found in it.
    """

    image: UInt8Array
    similarity: FloatArray | None = None

    def __post_init__(self) -> None:
        check_shape("image", self.image, (None, None, 3))

    @classmethod
    def from_image(cls, image: UInt8Array, landmarker: FaceLandmarker | None) -> "OwnGuide":
        """Look for the face in a picture, so that it can be laid onto the recording's."""
        if landmarker is None:
            return cls(image)
        try:
            points = landmarker.detect(image)
        except LandmarkerUnavailableError:
            return cls(image)
        # The recording is another video.
        landmarker.close()
        if points is None:
            return cls(image)
        track = track_from_landmarks([points], (image.shape[0], image.shape[1]))
        return cls(image, track.similarity[0])

    def in_crop(self, similarity: FloatArray, size: int) -> UInt8Array:
        """Show the picture as a guide of one frame.

        Args:
            similarity: ``[2, 3]``, canonical face coordinates → pixels of the frame's crop.
            size: side of the crop.

        Returns:
            ``[size, size, 3]``: the picture's face laid onto the frame's, or, without a face, the
            picture's central square.
        """
        height, width = self.image.shape[:2]
        if self.similarity is not None:
            matrix = compose(similarity, invert(self.similarity))
            crop = CropTransform(matrix, size, (height, width))
        else:
            centre = np.array([width - 1, height - 1]) / 2
            crop = square_region(centre, min(height, width), size, (height, width))
        return crop.apply(self.image)
