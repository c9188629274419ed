"""Time the stages of preprocessing at 512 × 512, and its memory against the recording's length.

    DIFFMVR_SHARED=FOLDER python experiments/preprocess_benchmark.py

Reads a recording (by default a rendered one), repeats it to two lengths, and prints milliseconds a
frame for each stage, frames per second of detection, mask and midline together, and the peak
memory of each length, measured in a process of its own.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from diffmvr.cli import run_cli
from diffmvr.data.synthetic import render_clip
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.preprocessing.backends import choose_backends, default_cleaning
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import FrameAndMask
from diffmvr.preprocessing.scene_layout import lay_out, mask_in_crop
from diffmvr.preprocessing.video_io import open_frames

SIZE = 512
RENDERED = 24
WARM_UP = 5


class Timed:
    """Passes calls on and adds up how long they take."""

    def __init__(self, inner: Any, name: str, method: str, spent: dict[str, list[float]]) -> None:
        self._inner, self._name, self._spent = inner, name, spent
        setattr(self, method, self._timed(getattr(inner, method)))

    def _timed(self, function: Any) -> Any:
        def call(*args: Any) -> Any:
            start = time.perf_counter()
            result = function(*args)
            self._spent[self._name].append(time.perf_counter() - start)
            return result

        return call

    def __getattr__(self, name: str) -> Any:
        """Whatever is not timed is the inner object's own."""
        return getattr(self._inner, name)


def frames_of(path: Path | None, length: int) -> Iterator[FrameAndMask]:
    """Yield so many frames, to and fro, at 512 × 512."""
    if path is None:
        images = list(render_clip(0, 0, 0, size=SIZE, num_frames=RENDERED).observed)
    else:
        frames = islice(open_frames(path), 8 * RENDERED)
        images = [np.asarray(cv2.resize(f.image, (SIZE, SIZE)), np.uint8) for f in frames]
    for index, image in enumerate(islice(cycle(images + images[::-1]), length)):
        yield Frame(index, index, 1, image), None


def measure(path: Path | None, length: int, face: str, mask: str) -> dict[str, Any]:
    """Scan and lay out a recording; return what each stage took."""
    backends = choose_backends(face, mask, landmarker=find_landmarker_bundle(None))
    scanner = backends.open_scanner(max_frames=200)
    spent: dict[str, list[float]] = defaultdict(list)
    if backends.face != "mediapipe":
        scanner.faces = Timed(scanner.faces, "face", "detect", spent)
    if scanner.occluders is not None:
        scanner.occluders = Timed(scanner.occluders, "mask", "find", spent)  # type: ignore[assignment]
    if scanner.landmarker is not None:
        scanner.landmarker = Timed(scanner.landmarker, "midline", "detect", spent)
    cleaning = default_cleaning(mask, SIZE)
    kept = 0
    frames = frames_of(path, length)
    warm = [next(frames) for _ in range(WARM_UP)]
    list(scanner.scan(iter(warm), 1))
    spent.clear()
    start, busy = time.perf_counter(), time.process_time()
    for scene in scanner.scan(frames, 1):
        if scene.sightings:
            begin = time.perf_counter()
            layout = lay_out(scene.sightings, (SIZE, SIZE), SIZE, cleaning.fill_gap)
            for t, one in enumerate(scene.sightings):
                mask_in_crop(layout.masks[t], one.region, layout.crops[t], cleaning)
            spent["layout and clean-up"].append(time.perf_counter() - begin)
            kept += len(scene.sightings)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    count = length - WARM_UP
    stages = {name: 1000 * sum(times) / count for name, times in spent.items()}
    return {
        "face": backends.face,
        "frames": count,
        "kept": kept,
        "ms_per_frame": {**stages, "everything": 1000 * seconds / count},
        "frames_per_second": count / seconds,
        # What an idle core would do: on a busy machine the other one tells little.
        "frames_per_second_of_cpu": count / busy,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_a_process(arguments: argparse.Namespace, length: int) -> dict[str, Any]:
    """Measure in a process of its own, so that its peak memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "result.json"
        command = [sys.executable, __file__, "--only", str(length), "--output", str(output)]
        command += ["--face", arguments.face, "--mask", arguments.mask]
        command += ["--threads", str(arguments.threads)]
        command += ["--input", str(arguments.input)] if arguments.input else []
        subprocess.run(command, check=True)
        return json.loads(output.read_text(encoding="utf-8"))


@run_cli
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, help="a recording; by default a rendered one")
    parser.add_argument("--frames", type=int, nargs="+", default=[240, 960], metavar="N")
    parser.add_argument("--face", default="auto", help="auto | yolo | mediapipe")
    parser.add_argument("--mask", default="segmentation", help="segmentation | bbox | none")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/results/preprocess_benchmark.json")
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    if arguments.only:
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
        result: Any = measure(arguments.input, arguments.only, arguments.face, arguments.mask)
    else:
        result = [in_a_process(arguments, length) for length in arguments.frames]
        for one in result:
            stages = ", ".join(f"{name} {ms:.1f}" for name, ms in one["ms_per_frame"].items())
            sys.stdout.write(
                f"{one['frames']} frames: {stages} ms; {one['frames_per_second']:.1f} frames/s, "
                f"{one['frames_per_second_of_cpu']:.1f} by CPU time; "
                f"peak {one['peak_memory_mib']:.0f} MiB\n"
            )
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
