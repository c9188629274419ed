"""Restore real recordings with a moving hand composited over them, and check the files.

    DIFFMVR_SHARED=FOLDER python experiments/real_clips.py [--mask bbox]

Reads FOLDER/data/faces/*.mp4 (talking faces) and FOLDER/data/davis (a DAVIS-layout clip with masks
of its own).  What is found goes to ``--output``; how good the faces are is measured by
``real_faces.py``.  Whatever shows the recordings goes to ``--pictures``, which stays outside the
repository: they are not ours to pass on.
"""

import argparse
import json
import logging
import os
import zlib
from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from real_clips_report import Facts, Recording, compare, save_facts

from diffmvr.checks import check_number, check_output_dir
from diffmvr.cli import run_cli
from diffmvr.config import weights_dir
from diffmvr.data.synthetic.occluders import composite_occluder
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.preprocessing.audio import AudioCopy
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.media_files import open_to_write
from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.restoration.opening import DEFAULT_MODEL
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore
from diffmvr.structures import FaceTrack, UInt8Array

log = logging.getLogger("real_clips")

MASKS = ("segmentation", "bbox")
SEED = 0
COVER = 0.35
"""Hidden share of the face box while the hand is in place."""

LEAST_FRAMES = 8
"""The hand needs some to come and go in."""


def hide_face(video: Path, folder: Path, length: int, mask_type: str) -> UInt8Array:
    """Composite a moving hand over the face in the first frames of a video.

    The occluded frames are written exactly, with the video's times and the audio of that span.

    Args:
        video: the recording.
        folder: where ``input.mkv`` and the folder ``masks`` are written; it exists.
        length: how many frames at most.
        mask_type: ``segmentation`` (the hand's outline) or ``bbox`` (its bounding rectangle).

    Returns:
        ``[T, H, W]`` 0/1, the masks.
    """
    source = open_frames(video)
    frames = list(islice(source, length))
    truth = np.stack([frame.image for frame in frames])
    clear = np.zeros(truth.shape[:3], np.uint8)
    seed = zlib.crc32(video.stem.encode())
    face_box = find_face(truth, clear).face_box
    observed, outline, box = composite_occluder(truth, face_box, seed, "hand", COVER)
    mask = box if mask_type == "bbox" else outline
    path, masks = folder / "input.mkv", folder / "masks"
    end = (frames[-1].pts + frames[-1].duration) * source.info.time_base
    audio = cut_audio(video, folder / "audio.mka", end) if source.info.audio else None
    with VideoWriter(path, source.info, "ffv1", audio) as writer:
        for frame, image in zip(frames, observed, strict=True):
            writer.write(Frame(frame.index, frame.pts, frame.duration, image))
    masks.mkdir()
    for index, hidden in enumerate(mask):
        Image.fromarray(255 * hidden).save(masks / f"{index:05d}.png")
    return mask


def cut_audio(video: Path, path: Path, end: Fraction) -> Path:
    """Write the audio packets that start before ``end`` (seconds), unchanged."""
    with open_to_write(path, "matroska") as output:
        copy = AudioCopy(video, output)
        try:
            copy.copy_until(end)
        finally:
            copy.close()
    return path


def find_face(frames: UInt8Array, mask: UInt8Array) -> FaceTrack:
    """Track the face by landmarks; where there are none, a box in the middle stands in.

    Args:
        frames: ``[T, H, W, 3]`` uint8.
        mask: ``[T, H, W]`` 0/1, 1 = hidden.
    """
    height, width = mask.shape[1:]
    centre, half = np.array([width, height]) / 2, min(height, width) / 4
    middle = np.tile([*(centre - half), *(centre + half)], (len(frames), 1))
    points: list[Any] = [None] * len(frames)
    bundle = find_landmarker_bundle(None)
    if bundle is not None:
        landmarker = FaceLandmarker(bundle)
        try:
            points = [landmarker.detect(*pair) for pair in zip(frames, mask, strict=True)]
        except LandmarkerUnavailableError as error:
            log.warning("no landmarks, the face is taken to be in the middle: %s", error)
        landmarker.close()
    return track_from_landmarks(points, (height, width), mask, middle)


def restore_exactly(
    source: Path,
    mask: Path | None,
    output: Path,
    weights: str,
    options: Mapping[str, Any] | None = None,
) -> tuple[Recording, dict[str, Any]]:
    """Restore a recording into FFV1 and read back what was written, with its report."""
    settings = RestoreSettings(
        input=str(source),
        mask=None if mask is None else str(mask),
        output=str(output),
        weights=weights,
        format="ffv1",
        seed=SEED,
        **(options or {}),
    )
    restore(settings)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return Recording.from_video(output / report["output"]["video"]), report


def find_recordings(shared: Path, names: list[str] | None) -> dict[str, Path]:
    """Return videos of faces and DAVIS-layout folders by name.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if one of ``names`` is not among them.
    """
    data = shared / "data"
    found = {path.stem: path for path in sorted((data / "faces").glob("*.mp4"))}
    found |= {path.name: path for path in sorted((data / "davis" / "JPEGImages").glob("*"))}
    if not found:
        raise FileNotFoundError(
            f"{SHARED_VARIABLE}: no data/faces/*.mp4 and no data/davis/JPEGImages in {shared}"
        )
    unknown = sorted(set(names or []) - set(found))
    if unknown:
        raise ValueError(f"--clips: expected some of {list(found)}, got {unknown}")
    return {name: path for name, path in found.items() if not names or name in names}


def run(
    recordings: dict[str, Path],
    length: int,
    weights: str,
    output: Path,
    pictures: Path,
    mask_type: str = "segmentation",
) -> list[Facts]:
    """Restore and check every recording, and write what was found.

    Args:
        recordings: videos and DAVIS-layout folders by name.
        length: frames of each video.
        weights: model folder or hub id.
        output: where the facts go.
        pictures: a new folder for everything that shows the recordings.
        mask_type: ``segmentation`` or ``bbox``.

    Returns:
        The facts about each recording.
    """
    check_number("--frames", length, LEAST_FRAMES, 10_000)
    check_output_dir("--pictures", pictures)
    facts, hashes = [], {}
    for name, path in recordings.items():
        folder = pictures / name
        folder.mkdir()
        if path.is_dir():
            source = open_frames(path)
            mask = np.stack(list(open_masks(None, source)))
            before = Recording.from_source(source)
            after, report = restore_exactly(path, None, folder / "restored", weights)
        else:
            mask = hide_face(path, folder, length, mask_type)
            recording, masks = folder / "input.mkv", folder / "masks"
            before = Recording.from_video(recording)
            after, report = restore_exactly(recording, masks, folder / "restored", weights)
        facts.append(compare(name, before, after, mask, report))
        hashes = report["weights_sha256"]
        log.info("%s: %s", name, "; ".join(facts[-1].broken) or "every fact holds")
    settings = {
        "frames": length,
        "mask": mask_type,
        "cover": COVER,
        "seed": SEED,
        "weights_sha256": hashes,
    }
    save_facts(facts, settings, output)
    return facts


@run_cli
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=48, help="frames of each video (48)")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these, e.g. d0 tennis")
    parser.add_argument(
        "--weights",
        default=str(weights_dir() / DEFAULT_MODEL),
        help="model folder or hub id; by default the small model that ships",
    )
    parser.add_argument("--mask", choices=MASKS, default=MASKS[0], help="what is known of the hand")
    parser.add_argument("--output", type=Path, help="experiments/results/real_clips[_bbox]")
    parser.add_argument("--pictures", type=Path, help="outputs/real_clips[_bbox]")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        parser.error(f"{SHARED_VARIABLE}: expected the folder that holds data/faces, got nothing")
    name = "real_clips" if arguments.mask == MASKS[0] else f"real_clips_{arguments.mask}"
    facts = run(
        find_recordings(Path(shared), arguments.clips),
        arguments.frames,
        arguments.weights,
        arguments.output or Path("experiments/results") / name,
        arguments.pictures or Path("outputs") / name,
        arguments.mask,
    )
    broken = {one.clip: one.broken for one in facts if one.broken}
    if broken:
        raise SystemExit(f"facts that do not hold: {broken}")


if __name__ == "__main__":
    main()
