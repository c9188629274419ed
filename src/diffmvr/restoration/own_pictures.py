"""A user's own pictures of the person, as references that lead every frame (ours)."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from diffmvr.preprocessing.backends import choose_backends
from diffmvr.preprocessing.face import track_from_boxes, track_from_landmarks
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.restoration.far_references import FarReference, picture_reference
from diffmvr.structures import FaceTrack, UInt8Array

SETTING = "guides.past"


def read_pictures(
    paths: Sequence[Path],
    size: int,
    landmarker: Path | None,
    face_weights: Path | None,
    anonymous: bool = False,
) -> list[FarReference]:
    """Read pictures of the person and find the face in each.

    Args:
        paths: their files, at least one.
        size: side of the model's crops.
        landmarker: bundle of the Face Landmarker, if there is one that works.
        face_weights: a face detector, instead of the one that ships.
        anonymous: whether reports number the pictures and leave their files' names out.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one is no picture, no face is found in it, or nothing that finds faces is
            installed.
    """
    images = [read_picture(path, SETTING) for path in paths]
    find = _face_finder(landmarker, face_weights)
    names = _names(paths, anonymous)
    references = []
    for number, (path, image, name) in enumerate(zip(paths, images, names, strict=True), start=1):
        track = find(image)
        if track is None:
            raise ValueError(
                f"{SETTING}: expected pictures of the person, and no face is found in {path.name}; "
                "give one that shows the face from the front, larger and clear, or leave it out"
            )
        references.append(picture_reference(image, track, size, number, name))
    return references


def _face_finder(
    landmarker: Path | None, face_weights: Path | None
) -> Callable[[UInt8Array], FaceTrack | None]:
    """Return what finds the face of a picture, a track of one frame: the best that is at hand."""
    if landmarker is not None:
        landmarks = FaceLandmarker(landmarker, video=False)

        def by_landmarks(image: UInt8Array) -> FaceTrack | None:
            points = landmarks.detect(image)
            size = image.shape[0], image.shape[1]
            return None if points is None else track_from_landmarks([points], size)

        return by_landmarks
    try:
        backends = choose_backends(mask="given", face_weights=face_weights)
    except ValueError as error:
        raise ValueError(
            f"{SETTING}: the face in each picture is to be found, and nothing finds it: {error}"
        ) from error
    detector = backends.open_scanner().faces

    def by_detector(image: UInt8Array) -> FaceTrack | None:
        found = detector.detect(image)
        return track_from_boxes(found.boxes[:1]) if len(found) else None

    return by_detector


def _names(paths: Sequence[Path], anonymous: bool) -> list[str]:
    """Return what reports call the pictures: no two alike, and never where they lie."""
    if anonymous:
        return [f"given {number}" for number in range(1, len(paths) + 1)]
    count = Counter(path.name for path in paths)
    return [
        path.name if count[path.name] == 1 else f"{path.name} (picture {number})"
        for number, path in enumerate(paths, start=1)
    ]
