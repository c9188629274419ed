"""A long live run from a looped recording that is paced as a camera: does its memory stay flat?

The command runs in a process of its own, with one thread, as a user starts it; its resident memory
is read from Linux's ``/proc`` at the first frame and every minute after.  How far it grows counts
from the second reading: what was loaded has been used by then.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from diffmvr.data.synthetic import render_clip
from diffmvr.files import read_json

MINUTE = 60.0
LOOP = 48
RATE = 25
"""Of a folder of frames."""


def live(folder: Path, size: int, seconds: float, every: float = MINUTE) -> dict[str, Any]:
    """Run ``diffmvr.live`` and return its own counts, and its memory over time.

    Args:
        folder: for the recording and the film.
        size: side of the frames in pixels.
        seconds: how long frames come.
        every: seconds between two readings of memory; the first is at the first frame.
    """
    source, output = folder / "frames", folder / "live"
    _looped(source, size, round(seconds * RATE))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "diffmvr.live", f"input={source}", f"output={output}"]
    process = subprocess.Popen(
        [*command, "threads=1", f"seconds={seconds}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    readings: list[dict[str, float]] = []
    begun = None
    while process.poll() is None:
        # The film is begun when the first frame comes.
        if begun is None and (output / "restored.mkv").is_file():
            begun = time.monotonic()
        due = every * len(readings)
        if begun is not None and due <= seconds and time.monotonic() - begun >= due:
            memory = _resident(process.pid)
            if memory is not None:
                readings.append({"minute": due / MINUTE, "mib": memory})
        time.sleep(min(1.0, every / 10))
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"diffmvr.live ended with {process.returncode}: {said}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = read_json(output / "live.json")
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept = ("captured", "shown", "dropped", "restored", "frames_per_second")
    # What is loaded before the first frame, and after it, is no growth.
    memories = [one["mib"] for one in readings[1:]]
    return {
        "pixels": size,
        **{name: report[name] for name in (*kept, "latency_p50", "latency_p95", "seconds")},
        "memory": readings,
        "memory_grows_mib": round(memories[-1] - memories[0], 1) if memories else None,
        "cpu_seconds": round(busy, 1),
        "cores_had": round(busy / report["seconds"], 3),
        "load_average": round(os.getloadavg()[1], 2),
    }


def _looped(folder: Path, size: int, count: int) -> None:
    """Write a folder of ``count`` frames: a rendered clip there and back, again and again."""
    clip = render_clip(seed=2026, subject=4, clip=1, size=size, num_frames=LOOP)
    folder.mkdir(parents=True)
    own = folder.with_name("clip")
    own.mkdir()
    for index, image in enumerate(clip.observed):
        Image.fromarray(image).save(own / f"{index}.png", compress_level=1)
    there_and_back = [*range(LOOP), *range(LOOP - 2, 0, -1)]
    for index in range(count):
        picture = own / f"{there_and_back[index % len(there_and_back)]}.png"
        (folder / f"{index:06d}.png").hardlink_to(picture)


def _resident(process: int) -> float | None:
    """Return the resident memory of a process in MiB; ``None`` if it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1])
    except (OSError, IndexError):
        return None
    # A process that has ended, and that nobody has asked for yet, has none.
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1) if pages else None
