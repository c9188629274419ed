"""Restoring a recording, stage by stage: from the file that is read to the file that is written."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.timing import PeakMemory, spread
from PIL import Image

import diffmvr.restoration.first_pass as first_pass
import diffmvr.restoration.laying_back as laying
import diffmvr.restoration.recording as recording
import diffmvr.restore as command
from diffmvr.data.synthetic import render_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.video_reader import VideoFile
from diffmvr.preprocessing.video_writer import VideoWriter
from diffmvr.restoration.settings import RestoreSettings

STAGES = ("start", "decode", "plan", "guides", "network", "carry", "paste", "encode", "rest")
"""``start`` ends when the model is loaded; faces are looked for meanwhile.  ``plan`` finds the
face, ``guides`` are the crops', ``carry`` takes past frames to the recording's own resolution."""

POINTS = (
    (command, "load_pipeline", "start"),
    (VideoFile, "__iter__", "decode"),
    (first_pass, "plan", "plan"),
    (CropRestorer, "find_guides", "guides"),
    (recording, "past_guides", "guides"),
    (DiffMVRPipeline, "__call__", "network"),
    (recording, "carry_detail", "carry"),
    (laying, "paste_corrected", "paste"),
    (laying, "paste_back", "paste"),
    (VideoWriter, "write", "encode"),
    (VideoWriter, "__exit__", "encode"),
)


def restoring(
    folder: Path,
    size: int,
    frames: int,
    threads: int | None,
    repeats: int,
    warmup: int,
    past: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Time the restoration of a rendered recording, about half of whose frames are hidden in part.

    Args:
        folder: where to write; it exists.
        size: side of the frames.
        frames: length of the recording.
        threads: as ``restore threads=``; OpenCV gets as many.
        repeats: measurements.
        warmup: restorations before.
        past: settings of ``past``; ``None`` leaves them as they ship.

    Returns:
        A row: time on the clock and CPU time of the whole, frames a second without the start, by
        the clock and by CPU time (which other loads change little), the process's peak of memory,
        and with one thread the CPU time of each stage.
    """
    clip_folder = folder / f"{size}-{frames}"
    settings, hidden = _recording(clip_folder, size, frames)
    if past is not None:
        settings["past"] = dict(past)
    count = iter(range(1000))

    def restore() -> None:
        kept = "-".join(str(value) for value in (past or {}).values())
        output = folder / f"restored-{size}-{threads}-{kept}-{next(count)}"
        command.restore(RestoreSettings(output=str(output), threads=threads, **settings))

    before, torch_before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(-1 if threads is None else threads)
    try:
        for _ in range(warmup):
            restore()
        times: dict[str, list[float]] = defaultdict(list)
        spent: dict[str, list[float]] = defaultdict(list)
        with PeakMemory(torch.device("cpu")) as memory:
            for _ in range(repeats):
                clock = StageTimes()
                begun, busy = time.perf_counter(), time.process_time()
                with clock.running():
                    restore()
                ended, total = time.perf_counter(), time.process_time() - busy
                clock.spent["start"] = clock.loaded[1] - busy
                clock.spent["rest"] = total - sum(clock.spent.values())
                times["seconds"].append(ended - begun)
                times["cpu_seconds"].append(total)
                times["frames_per_second_without_start"].append(frames / (ended - clock.loaded[0]))
                rest = total - clock.spent["start"]
                times["frames_per_cpu_second_without_start"].append(frames / rest)
                for stage in STAGES:
                    spent[stage].append(clock.spent[stage])
    finally:
        cv2.setNumThreads(before)
        torch.set_num_threads(torch_before)
    return {
        "pixels": size,
        "frames": frames,
        "hidden_frames": hidden,
        "threads": threads or "by the cores",
        **({} if past is None else {"kept": past["size"], "carried": past["carried"]}),
        **{name: spread(values) for name, values in times.items()},
        "peak_memory_mib": memory.mib,
        # Of threads that a library starts nobody knows what they were for.
        **({"stages": {stage: spread(spent[stage]) for stage in STAGES}} if threads == 1 else {}),
    }


class StageTimes:
    """Adds up the CPU time that each thread spends in chosen functions, each for itself.

    Attributes:
        spent: seconds by stage; what a stage called that is another stage is not in it.
        loaded: when the model was there: on the clock, and in CPU time without the stages'.
    """

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.loaded = (0.0, 0.0)
        self._open = threading.local()
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Put the clock on, and take it off after."""
        kept = [(owner, name, getattr(owner, name)) for owner, name, _ in POINTS]
        for owner, name, stage in POINTS:
            setattr(owner, name, self._timed(getattr(owner, name), stage))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._counted(stage):
                result = function(*args, **kwargs)
            return self._each(result, stage) if hasattr(result, "__next__") else result

        return call

    def _each(self, items: Iterator[Any], stage: str) -> Iterator[Any]:
        while True:
            with self._counted(stage):
                item = next(items, None)
            if item is None:
                return
            yield item

    @contextmanager
    def _counted(self, stage: str) -> Iterator[None]:
        inner = getattr(self._open, "inner", 0.0)
        self._open.inner, start = 0.0, time.thread_time()
        try:
            yield
        finally:
            took = time.thread_time() - start
            with self._lock:
                if stage == "start":
                    others = sum(self.spent.values())
                    self.loaded = time.perf_counter(), time.process_time() - others
                self.spent[stage] += took - self._open.inner
            self._open.inner = inner + took


def _recording(folder: Path, size: int, frames: int) -> tuple[dict[str, Any], int]:
    """Render a recording with its masks, if that is not done; count the frames with a hole."""
    clip = render_clip(0, 0, 0, size=size, num_frames=frames)
    if not folder.exists():
        (folder / "masks").mkdir(parents=True)
        rate = Fraction(25)
        info = VideoInfo("input.mp4", size, size, frame_rate=rate, time_base=1 / rate)
        with VideoWriter(folder / "input.mp4", info) as writer:
            for t, image in enumerate(clip.observed):
                writer.write(Frame(t, t, 1, image))
        for t, mask in enumerate(clip.mask):
            Image.fromarray(255 * mask).save(folder / "masks" / f"{t:05d}.png")
    box = np.concatenate([clip.track.face_box[:, :2].min(0), clip.track.face_box[:, 2:].max(0)])
    settings = {
        "input": str(folder / "input.mp4"),
        "mask": str(folder / "masks"),
        "face_box": [float(edge) for edge in box],
    }
    return settings, int(clip.mask.any(axis=(1, 2)).sum())
