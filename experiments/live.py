"""Live on a file paced as a camera: how many frames are shown, how late, what each stage costs.

    python experiments/live.py --input VIDEO --output FOLDER [--threads 1 2] [--lookahead 0 4 12]

A real clip is shown at 20 frames/s; every other second an ellipse covers part of the face, and its
masks are given.  Every cell is a run of its own, of ``--seconds``.  ``live.csv`` has a row a run:
frames/s and latency are those of the clock, on a machine that may have been busy with other work
(``busy_share`` cores were had); ``find``, ``restore`` and ``show`` are CPU seconds a frame that is
shown, which other work changes little.  The machine and its load are in ``live.json``.
``--pace none`` drops nothing: the costs of every frame.
"""

import argparse
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from diffmvr.files import write_json
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.restoration.live.run import LiveRun
from diffmvr.restoration.live.settings import LiveSettings
from diffmvr.runs.facts import machine
from diffmvr.text import csv_text

RATE = Fraction(20)
COLUMNS = (
    *("threads", "lookahead", "select", "seconds", "captured", "dropped", "shown"),
    *("restored", "frames_per_second", "latency_p50", "latency_p95", "find", "restore", "show"),
    "busy_share",
)


def hidden_film(
    source: Path, folder: Path, seconds: float, size: int
) -> tuple[Path, Path, list[float]]:
    """Write a film of ``seconds``, its masks, and return both with the face's box."""
    frames = []
    for frame in open_frames(source):
        side = min(frame.image.shape[:2])
        square = frame.image[:side, :side]
        frames.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
        if len(frames) == 300:
            break
    # There and back again, so that no cut is made.
    loop = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    film, masks = folder / "in.mp4", folder / "masks"
    masks.mkdir()
    info = VideoInfo("in.mp4", size, size, RATE, 1 / RATE)
    with VideoWriter(film, info, preset="ultrafast") as writer:
        for index in range(round(seconds * RATE)):
            image = np.array(frames[loop[index % len(loop)]])
            mask = np.zeros((size, size), np.uint8)
            if index // 20 % 2:
                centre = round(0.5 * size), round(0.62 * size)
                axes = round(0.17 * size), round(0.12 * size)
                cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
                image[mask > 0] = (96, 120, 140)
            Image.fromarray(mask).save(masks / f"{index:05d}.png", compress_level=1)
            writer.write(Frame(index, index, 1, image))
    return film, masks, [0.22 * size, 0.15 * size, 0.78 * size, 0.85 * size]


def run(options: argparse.Namespace) -> None:
    """Measure every cell and write the results."""
    options.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    reports = []
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        film, masks, box = hidden_film(options.input, work, options.seconds, options.size)
        for select in options.select:
            for threads in options.threads:
                torch.set_num_threads(threads)
                cv2.setNumThreads(threads)
                for lookahead in options.lookahead:
                    settings = LiveSettings(
                        *(str(film), str(work / f"{select}-{threads}-{lookahead}"), str(masks)),
                        face_box=box if options.box else None,
                        threads=threads,
                        lookahead=lookahead,
                        past={"select": select},
                        crf=23,
                        pace=options.pace,
                        concat=options.keep is not None,
                    )
                    busy, start = time.process_time(), time.monotonic()
                    report = LiveRun(settings).run()
                    share = (time.process_time() - busy) / (time.monotonic() - start)
                    rows.append(
                        {
                            **{name: report.get(name) for name in COLUMNS},
                            **report["cpu_seconds_a_frame"],
                            **{"threads": threads, "lookahead": lookahead, "select": select},
                            "busy_share": round(share, 3),
                        }
                    )
                    reports.append(report)
                    print(rows[-1], flush=True)
                    if options.keep is not None:
                        name = f"{select}-{threads}-{lookahead}.mkv"
                        (Path(settings.output) / "restored.mkv").replace(options.keep / name)
    table = [COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]
    (options.output / "live.csv").write_text(csv_text(table), encoding="utf-8")
    facts = {
        "source": options.input.name,
        "size": options.size,
        "rate": float(RATE),
        "pace": options.pace,
        "seconds": options.seconds,
        "face": "given box" if options.box else "found",
        "masks": "given",
        "machine": machine(),
        "load_average": os.getloadavg(),
        "runs": [{k: v for k, v in one.items() if k != "machine"} for one in reports],
    }
    write_json(options.output / "live.json", facts)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--lookahead", type=int, nargs="+", default=[0, 4, 12])
    parser.add_argument("--select", nargs="+", default=["bank", "recent"])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pace", choices=["camera", "none"], default="camera")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--box", action="store_true", help="the face's box is given")
    parser.add_argument("--keep", type=Path, help="a folder for films of input beside output")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
