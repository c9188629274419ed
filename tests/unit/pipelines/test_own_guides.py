"""A user's picture as a guide."""

import numpy as np
import pytest
from tests.helpers.landmarks import EYE_DISTANCE, FaceAt
from tests.helpers.recordings import moving_frames

from diffmvr.pipelines.own_guides import OwnGuide
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError

PICTURE = moving_frames(1, 96, 72, seed=4)[0]


class Unavailable:
    """A landmarker whose library is missing."""

    def detect(self, image: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Say so."""
        raise LandmarkerUnavailableError("no mediapipe")


def test_the_pictures_face_is_laid_onto_the_frames() -> None:
    own = OwnGuide.from_image(PICTURE, FaceAt({0}))

    # Between the eyes at (16, 12) of the crop, half as large as in the picture.
    shown = own.in_crop(np.array([[EYE_DISTANCE / 2, 0, 16], [0, EYE_DISTANCE / 2, 12]]), 32)

    # In the picture that point is (48, 31).
    for dx, dy in [(0, 0), (4, 0), (-3, 5)]:
        expected = PICTURE[31 + 2 * dy, 48 + 2 * dx].astype(int)
        assert np.abs(shown[12 + dy, 16 + dx] - expected).max() < 16


@pytest.mark.parametrize("landmarker", [None, FaceAt(set()), Unavailable()])
def test_without_a_face_the_central_square_is_shown(landmarker: object) -> None:
    own = OwnGuide.from_image(PICTURE, landmarker)

    shown = own.in_crop(np.eye(2, 3), 36)

    # The square of 72 pixels from x = 12 on, averaged 2 x 2.
    square = PICTURE[:, 12:84].astype(float)
    halved = square.reshape(36, 2, 36, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shown, halved, atol=1)


def test_a_picture_must_be_rgb() -> None:
    with pytest.raises(ValueError, match=r"image: expected shape \(any, any, 3\), got \(72, 96\)"):
        OwnGuide(PICTURE[..., 0])
