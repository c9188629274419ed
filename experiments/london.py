"""A changed expression from one picture: the Face Research Lab London Set, neutral and smiling.

    DIFFMVR_SHARED=FOLDER python experiments/london.py
    … --people 001 002 --regions mouth --systems flow past_guide   # a part of it
    … --people test    # the fifteen whom nobody trains with (``data=portraits``)

For each person of FOLDER/data/london the neutral picture is the only past frame and half the face,
the mouth or the eyes of the smiling one are hidden; and the other way round.  Whoever shows the
past frame's face again is wrong in every hidden pixel that the smile moves, so that this is what a
single reference cannot do.  Every restorer that ``python -m diffmvr.evaluate`` knows can be named;
it works on 192 × 192 crops.  Rows are kept and tables made as by ``real_faces.py``, one table for
each hidden region.  Pictures go to ``--pictures``, which stays outside the repository.
"""

import argparse
import logging
import os
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import torch
from real_faces import build_named, save_settings
from real_faces_cases import SIZE, crop_clip, truth
from real_faces_rows import RowFiles, make_tables, scored
from real_faces_sheets import Strips, make_people_sheet

from diffmvr.checks import check_one_of
from diffmvr.cli import run_cli
from diffmvr.data.portraits import choose_test_people
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.geometry import invert, move_points
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.preprocessing.crop import square_crops
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.picture_folder import read_frame
from diffmvr.structures import Clip, FaceTrack, FloatArray, Restorer, UInt8Array

log = logging.getLogger("london")

EXPRESSIONS = ("neutral", "smiling")
REGIONS = {
    "half": (0.0, -1.6, 1.7, 2.2),
    "mouth": (-0.8, 0.62, 0.8, 1.5),
    "eyes": (-1.05, -0.55, 1.05, 0.32),
}
"""What is hidden: x0, y0, x1, y1 from between the eyes, in distances between them, y down.  Of the
half, every other person's is the other one."""

SYSTEMS = ("occluded", "telea", "mirror", "copy_past", "copy_past_aligned", "flow", "past_guide")
REFERENCE = "past_guide"
GREY = 128


class Pairs:
    """The two pictures of each person as clips of two frames.

    Args:
        folder: of the pictures.
        landmarker: finds the face in a picture; not one that follows videos.
    """

    def __init__(self, folder: Path, landmarker: FaceLandmarker) -> None:
        self.folder, self.landmarker = folder, landmarker
        names = [path.stem.split("_")[0] for path in sorted(folder.glob("*_neutral.jpg"))]
        self.people = [name for name in names if (folder / f"{name}_smiling.jpg").is_file()]

    def clip(self, person: str, now: str, region: str) -> Clip:
        """Return the other expression, then the one called ``now``, of which a part is hidden.

        Raises:
            ValueError: if no face is found in a picture.
        """
        past = EXPRESSIONS[1 - EXPRESSIONS.index(now)]
        frames = np.stack([self._picture(person, past), self._picture(person, now)])
        mask = np.zeros(frames.shape[:3], np.uint8)
        true = self._track(frames[1], mask[1], f"{person}_{now}")
        mask[1] = hidden_region(mask[1].shape, true.similarity[0], region, person)
        observed = np.where(mask[..., None] != 0, np.uint8(GREY), frames)
        tracks = [self._track(observed[t], mask[t], f"{person}_{now}") for t in range(2)]
        track = FaceTrack(
            np.concatenate([one.face_box for one in tracks]),
            np.concatenate([one.midline for one in tracks]),
            np.concatenate([one.similarity for one in tracks]),
            tuple(source for one in tracks for source in one.axis_source),
        )
        # Not one path of squares over time: these are two moments.
        crops = tuple(square_crops(one, mask.shape[1:], SIZE)[0] for one in tracks)
        whole = Clip(f"{person}_{now}", person, observed, mask, track, frames, np.arange(2))
        return crop_clip(whole, crops)

    def _picture(self, person: str, expression: str) -> UInt8Array:
        path = self.folder / f"{person}_{expression}.jpg"
        return np.asarray(read_frame(path, "picture").image)

    def _track(self, image: UInt8Array, mask: UInt8Array, name: str) -> FaceTrack:
        points = self.landmarker.detect(image, mask if mask.any() else None)
        if points is None and not mask.any():
            raise ValueError(f"{name}: no face was found in this picture; leave the person out")
        height, width = mask.shape
        return track_from_landmarks([points], (height, width), mask[None])


def hidden_region(
    size: tuple[int, int], similarity: FloatArray, region: str, person: str
) -> UInt8Array:
    """Return ``[H, W]``, 1 in a rectangle of the face.

    Args:
        size: (height, width).
        similarity: ``[2, 3]``, canonical face coordinates → pixels.
        region: one of ``REGIONS``.
        person: an even number's other half is hidden.
    """
    height, width = size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    x, y = np.moveaxis(move_points(invert(similarity), grid), -1, 0)
    x0, y0, x1, y1 = REGIONS[region]
    if region == "half" and int(person) % 2 == 0:
        x = -x
    return ((x >= x0) & (x < x1) & (y >= y0) & (y < y1)).astype(np.uint8)


def chosen_people(named: Sequence[str] | None, everybody: Sequence[str]) -> Sequence[str]:
    """Return who is scored.

    Args:
        named: names; ``["test"]``, those whom ``data=portraits`` keeps for tests; None, everybody.
        everybody: all names.

    Raises:
        ValueError: if a name is not among them.
    """
    if named == ["test"]:
        return choose_test_people(everybody)
    for person in named or ():
        check_one_of("--people", person, everybody)
    return named or everybody


def run(
    pairs: Pairs,
    people: Sequence[str],
    regions: Sequence[str],
    systems: Mapping[str, Restorer],
    files: RowFiles,
    strips: Strips,
    again: bool = False,
) -> None:
    """Compute every row that is wanted and not there; those of a person are written at once."""
    faces = RealFaceScorer.from_bundle(video=False)
    for person in people:
        rows, frames = [], []
        for now, region in product(EXPRESSIONS, regions):
            done = set() if again else files.done(f"{person}_{now}")
            wanted = [name for name in systems if (name, region) not in done]
            if not wanted:
                continue
            clip = pairs.clip(person, now, region)
            strips.save(clip, region, {"occluded": clip.observed, "truth": truth(clip)})
            for name in wanted:
                begun = time.monotonic()
                restored = systems[name].restore(clip)
                seconds = time.monotonic() - begun
                own, own_frames = scored(clip, restored, name, region, faces, seconds, len(clip))
                strips.save(clip, region, {name: restored})
                rows += own
                frames.append(own_frames)
        if rows:
            files.add(rows, pl.concat(frames))


@run_cli
def main() -> None:
    """Run what the command line says, then make the tables of all rows that there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", nargs="+", metavar="ID", help="only these, or test")
    parser.add_argument("--regions", nargs="+", default=list(REGIONS), choices=list(REGIONS))
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--reference", default=REFERENCE, help="whom the tables compare with")
    parser.add_argument("--again", action="store_true", help="compute rows that are there anew")
    parser.add_argument("--evaluate", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/london"))
    parser.add_argument("--pictures", type=Path, default=Path("outputs/london"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared, bundle = os.environ.get(SHARED_VARIABLE), find_landmarker_bundle(None)
    if not shared or bundle is None:
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder of data/london and models")
    torch.set_num_threads(arguments.threads)
    pairs = Pairs(Path(shared) / "data" / "london", FaceLandmarker(bundle, video=False))
    people = chosen_people(arguments.people, pairs.people)
    files = RowFiles(arguments.output, arguments.pictures / "rows.lock")
    strips = Strips(arguments.pictures / "strips")
    systems = build_named(arguments.systems, arguments.evaluate)
    save_settings(arguments.output, people=len(pairs.people), regions=REGIONS)
    run(pairs, people, arguments.regions, systems, files, strips, arguments.again)
    make_tables(files, arguments.reference, {"expression": 1})
    for region in arguments.regions:
        make_people_sheet(files, strips, arguments.pictures / f"{region}.png", region)


if __name__ == "__main__":
    main()
