"""Photo-real clips made of pairs of pictures, as a source beside the rendered benchmark."""

import zlib
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from diffmvr.checks import check_count, check_number, check_one_of
from diffmvr.data.portraits.clip import PortraitClip, make_clip
from diffmvr.data.portraits.pictures import (
    Pair,
    choose_test_people,
    find_pairs,
    how_to_give,
)
from diffmvr.data.portraits.portrait import Portrait, Still
from diffmvr.data.synthetic.raster import canvas_size
from diffmvr.data.synthetic.rng import generator
from diffmvr.geometry import move_points, scaling
from diffmvr.landmarker_bundle import BUNDLE_NAME, BUNDLE_VARIABLE, find_landmarker_bundle
from diffmvr.preprocessing.landmarks import EYE_INDICES, FaceLandmarker
from diffmvr.preprocessing.picture_folder import read_picture
from diffmvr.published_weights import COMMAND

PEOPLE = ("all", "train", "test")

EYES_APART = 0.25
"""Pictures are reduced until the eyes are so far apart, as a share of the side of the canvas on
which a frame is made: finer detail would only cost time."""


class PortraitClips:
    """People photographed twice: clip i is the same on every run.

    Landmarks are found once a person and kept, with the mesh, in memory.

    Args:
        folder: of pictures named PERSON_neutral.jpg and PERSON_smiling.jpg.
        seed: another seed is other motion, light and occluders of the same people.
        clips_per_subject: clips of each person; of every second one the smiling picture is the
            one that gives hair, ears and clothes.
        num_frames: frames of a clip.
        frame_rate: frames in a second.
        size: side of the square frames in pixels, 32 to 512.
        mask_type: ``segmentation`` (the occluder's outline) or ``bbox`` (its bounding rectangle).
        new_walls: in how many clips, in [0, 1], another wall is put behind a person who was
            photographed in front of a plain light one.
        people: ``all``; ``train``, all but the test people; or ``test``, these alone.
        test_people: who is kept for tests; ``None``: see ``choose_test_people``.
        expressions: what the two pictures are called.
        landmarker: path of ``face_landmarker.task``; ``None``: the one that the environment names.
        credit: whose pictures these are and under which licence, for model cards.

    Attributes:
        subject_ids: the person of each clip.
        test_people: the people kept for tests, also where they are not in this set.

    Raises:
        FileNotFoundError: if the folder, a picture of a pair, or the landmarker is missing.
        ValueError: if a setting is out of range, or MediaPipe is not installed.
    """

    def __init__(
        self,
        folder: str | Path | None,
        seed: int = 0,
        clips_per_subject: int = 8,
        num_frames: int = 16,
        frame_rate: float = 10.0,
        size: int = 64,
        mask_type: str = "segmentation",
        new_walls: float = 0.6,
        people: str = "all",
        test_people: Sequence[str] | None = None,
        expressions: Sequence[str] = ("neutral", "smiling"),
        landmarker: str | None = None,
        credit: str | None = None,
    ) -> None:
        if not folder:
            raise ValueError(
                "folder: expected a folder of pictures named PERSON_neutral.jpg and "
                f"PERSON_smiling.jpg, got none; {how_to_give('folder', 'FOLDER')}"
            )
        check_number("seed", seed, 0, 2**63 - 1)
        check_count("clips_per_subject", clips_per_subject)
        check_count("num_frames", num_frames)
        check_number("frame_rate", frame_rate, 1.0, 1000.0)
        check_number("size", size, 32, 512)
        check_one_of("mask_type", mask_type, ("segmentation", "bbox"))
        check_number("new_walls", new_walls, 0.0, 1.0)
        check_one_of("people", people, PEOPLE)
        self.folder = Path(folder)
        self.seed, self.size, self.mask_type = seed, size, mask_type
        self.num_frames, self.frame_rate = num_frames, float(frame_rate)
        self.new_walls = float(new_walls)
        self._credit = credit
        pairs = {pair.person: pair for pair in find_pairs(self.folder, tuple(expressions))}
        self.test_people = self._kept_people([*pairs], test_people)
        if people != "all":
            wanted = people == "test"
            pairs = {
                name: pair for name, pair in pairs.items() if (name in self.test_people) == wanted
            }
        self._scenes = [
            (pair, clip) for pair in pairs.values() for clip in range(clips_per_subject)
        ]
        self.subject_ids = [pair.person for pair, _ in self._scenes]
        self._landmarker = _find_landmarker(landmarker)
        self._stills: dict[str, tuple[Still, Still]] = {}
        self._portraits: dict[tuple[str, bool], Portrait] = {}

    @property
    def description(self) -> str:
        """Who is in the clips, for model cards."""
        count = len(set(self.subject_ids))
        credit = "" if self._credit is None else f" ({self._credit})"
        return f"{count} people photographed twice{credit}, seed {self.seed}"

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> PortraitClip:
        pair, clip = self._scenes[index]
        smiling_first = clip % 2 == 1
        number = zlib.crc32(pair.person.encode())
        return make_clip(
            self.portrait(pair, smiling_first),
            partial(generator, self.seed, number, clip),
            clip_id=f"{pair.person}_{clip:02d}",
            subject_id=pair.person,
            smiling_first=smiling_first,
            num_frames=self.num_frames,
            frame_rate=self.frame_rate,
            size=self.size,
            mask_type=self.mask_type,
            new_walls=self.new_walls,
        )

    def portrait(self, pair: Pair, smiling_first: bool) -> Portrait:
        """Return a person's mesh, made at the first call.

        Raises:
            ValueError: if a picture cannot be read or no face is found in it.
        """
        key = (pair.person, smiling_first)
        if key not in self._portraits:
            if pair.person not in self._stills:
                self._stills[pair.person] = self._read(pair)
            neutral, smiling = self._stills[pair.person]
            both = (smiling, neutral) if smiling_first else (neutral, smiling)
            self._portraits[key] = Portrait(*both)
        return self._portraits[key]

    def _read(self, pair: Pair) -> tuple[Still, Still]:
        # MediaPipe's threads do not survive a fork: none are left when loaders are started.
        finder = FaceLandmarker(self._landmarker, video=False)
        try:
            first, second = (
                _read_still(file, finder, canvas_size(self.size))
                for file in (pair.neutral, pair.smiling)
            )
        finally:
            finder.close()
        return first, second

    def _kept_people(
        self, everybody: Sequence[str], named: Sequence[str] | None
    ) -> tuple[str, ...]:
        if named is None:
            return choose_test_people(everybody)
        names = tuple(map(str, named))
        for name in names:
            if name not in everybody:
                raise ValueError(f"test_people: expected people of {self.folder}, got {name!r}")
        return names


def _find_landmarker(path: str | None) -> Path:
    bundle = find_landmarker_bundle(path)
    if bundle is None:
        raise FileNotFoundError(
            f"landmarker: portraits need MediaPipe's {BUNDLE_NAME}, and none is named "
            f"(`{COMMAND} where face_landmarker` tells how it comes here); "
            f"set {BUNDLE_VARIABLE}, or {how_to_give('landmarker', 'FILE')}"
        )
    if find_spec("mediapipe") is None:
        raise ValueError(
            "data=portraits: expected mediapipe, which finds faces, got none; "
            "pip install 'diffmvr[landmarks]'"
        )
    return bundle


def _read_still(file: Path, finder: FaceLandmarker, canvas: int) -> Still:
    """Read a picture and find its face; reduce it to what a canvas of this side can show."""
    image = read_picture(file, "folder")
    points = finder.detect(image)
    if points is None:
        raise ValueError(
            f"folder: expected a face in {file}, found none; give a picture in which it is larger "
            "and seen from the front, or take the person out"
        )
    left, right = (points[list(corners)].mean(axis=0) for corners in EYE_INDICES)
    zoom = EYES_APART * canvas / float(np.linalg.norm(right - left))
    if zoom >= 1:
        return Still(image, points)
    height, width = image.shape[:2]
    new = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    small = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
    return Still(np.asarray(small), move_points(scaling(new[0] / width, new[1] / height), points))
