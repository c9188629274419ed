"""One live run: from a source that is read once to a sink, by the walk of ``restore``."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffmvr.checks import check_output_dir
from diffmvr.files import DISK_FULL, write_json
from diffmvr.parsing import user_path
from diffmvr.pipelines.crop_restorer import FramePipeline
from diffmvr.preprocessing.frame_source import Frame, FrameSource
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.provenance.mark import draw_mark
from diffmvr.restoration.live.capture import Capture
from diffmvr.restoration.live.latency import Latencies
from diffmvr.restoration.live.settings import LiveSettings
from diffmvr.restoration.live.sinks import PIPE, WINDOW, Film, Pipe, Sink, Window
from diffmvr.restoration.live.sources import open_live
from diffmvr.restoration.live.walk import restore_live, warm_up
from diffmvr.restoration.opening import (
    build_restorer,
    chosen_model,
    found_mask_cleaning,
    load_pipeline,
    model_name,
    open_given_masks,
    open_scanner,
    usable_bundle,
)
from diffmvr.runs.facts import machine, package_versions

REPORT_FILE = "live.json"
DISK_IS_FULL = "the disk is full"


class LiveRun:
    """One live run, and what is counted of it.

    Args:
        settings: what to restore, and how.
        pipeline: a model in memory instead of the one that ``settings.weights`` names.
        source: live frames instead of those that ``settings.input`` names.
        sink: where frames are shown instead of where ``settings.output`` says.

    Attributes:
        latencies: from capture to shown.
        shown: how many frames were shown.
        ended: why the run ended.
    """

    def __init__(
        self,
        settings: LiveSettings,
        pipeline: FramePipeline | None = None,
        source: FrameSource | None = None,
        sink: Sink | None = None,
    ) -> None:
        self.settings, self._pipeline = settings, pipeline
        self._source, self._given_sink = source, sink
        self.latencies = Latencies()
        self.shown = self.restored = 0
        self.ended = "the source ended"
        self._spent = {"find": 0.0, "restore": 0.0, "show": 0.0}
        self._notes: list[str] = []

    def run(self) -> dict[str, Any]:
        """Run until the source ends, Ctrl-C is pressed, the window is closed or the disk is full.

        Returns:
            What is written to ``live.json``.

        Raises:
            FileNotFoundError: if an input or the model is missing.
            ValueError: if an input or a setting cannot be used.
        """
        settings = self.settings
        folder = None if settings.output in (PIPE, WINDOW) else user_path(settings.output)
        if folder is not None:
            check_output_dir("output", folder)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        # 1. Load everything before the first frame is taken.
        model = chosen_model(settings)
        bundle, notes = usable_bundle(settings.landmarker)
        self._notes += notes
        pipeline = self._pipeline or load_pipeline(model, settings.device, settings.sampler)
        given = self._source
        frames, is_live = open_live(settings.input) if given is None else (given, True)
        masks = open_given_masks(settings, frames)
        box = None if settings.face_box is None else np.array(settings.face_box)
        scanner, notes = open_scanner(settings, frames, masks is not None, box, bundle)
        self._notes += notes
        _, restorer = build_restorer(settings, pipeline, {}, ())
        spare = build_restorer(settings, pipeline, {}, ())[1]
        warm_up(spare, frames.info, pipeline.resolution)
        # 2. Show what comes, until it ends.
        started = time.monotonic()
        with ExitStack() as opened:
            pace = settings.pace == "camera"
            capture = opened.enter_context(
                closing(
                    Capture(
                        _Limited(frames, settings.seconds),
                        frames.info,
                        settings.waiting,
                        pace=pace and not is_live,
                        drop=pace or is_live,
                    )
                )
            )
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            sink: Sink = opened.enter_context(self._sink(folder, frames, capture))
            source = _Captured(capture, frames, self._spent)
            walk = restore_live(
                with_masks(source, masks),
                frames.info,
                scanner,
                restorer,
                pipeline.resolution,
                settings.lookahead,
                found_mask_cleaning(settings.detect),
                settings.clear_threshold,
            )
            try:
                self._show(walk, sink, capture)
            except KeyboardInterrupt:
                self.ended = "interrupted"
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                self.ended = DISK_IS_FULL
            finally:
                capture.stop()
                walk.close()
            seconds = time.monotonic() - started
        if isinstance(sink, Film) and sink.full:
            self.ended = DISK_IS_FULL
        report = self._report(frames, capture, seconds, model)
        if folder is not None:
            with suppress(OSError) if self.ended == DISK_IS_FULL else nullcontext():
                write_json(folder / REPORT_FILE, report)
        return report

    def _sink(self, folder: Path | None, frames: FrameSource, capture: Capture) -> Sink:
        settings = self.settings
        if self._given_sink is not None:
            return self._given_sink
        if settings.output == WINDOW:
            return Window()
        if folder is None:
            return Pipe(frames.info, settings.crf)
        threads = settings.threads or 0
        return Film(folder, frames.info, settings.crf, settings.concat, capture.age_of, threads)

    def _show(self, walk: Iterator[Any], sink: Sink, capture: Capture) -> None:
        asked = time.thread_time()
        for frame in walk:
            got = time.thread_time()
            marked, _ = draw_mark(frame.restored.image, frame.mask, self.settings.mark)
            shown = Frame(frame.restored.index, frame.restored.pts, frame.restored.duration, marked)
            wanted = sink.show(shown, frame.observed.image)
            self.latencies.add(capture.age(shown.index))
            self.shown += 1
            self.restored += frame.record.restored
            now = time.thread_time()
            self._spent["restore"] += got - asked
            self._spent["show"] += now - got
            asked = now
            if not wanted:
                self.ended = "nobody looks any more"
                return

    def _report(
        self, frames: FrameSource, capture: Capture, seconds: float, model: str
    ) -> dict[str, Any]:
        settings, shown = self.settings, self.shown
        return {
            "input": settings.name or frames.info.name,
            "size": [frames.info.width, frames.info.height],
            "source_rate": round(float(frames.info.frame_rate), 3),
            "lookahead": settings.lookahead,
            "captured": capture.captured,
            "dropped": capture.dropped,
            "rule": f"{settings.waiting} frames wait at most; the oldest is dropped for the newest",
            "shown": shown,
            "restored": self.restored,
            "frames_per_second": round(shown / seconds, 3) if seconds else None,
            "latency_p50": self.latencies.percentile(0.50),
            "latency_p95": self.latencies.percentile(0.95),
            "seconds": round(seconds, 3),
            # Of the threads that find, restore and show; not of those that torch and x264 start.
            "cpu_seconds_a_frame": {
                name: round(spent / shown, 4) for name, spent in self._spent.items() if shown
            },
            "ended": self.ended,
            "notes": [*frames.info.notes, *self._notes],
            "model": "in memory" if self._pipeline is not None else model_name(model),
            "settings": settings.without_paths(),
            "machine": machine(),
            "versions": package_versions(),
        }


class _Limited:
    """A source that ends after some seconds of running time."""

    def __init__(self, frames: FrameSource, seconds: float | None) -> None:
        self._frames, self._seconds = frames, seconds

    def __iter__(self) -> Iterator[Frame]:
        start = time.monotonic()
        for frame in self._frames:
            if self._seconds is not None and time.monotonic() - start > self._seconds:
                return
            yield frame


class _Captured:
    """The captured frames as a source of frames; ``spent["find"]`` is what is done with each."""

    def __init__(self, capture: Capture, source: FrameSource, spent: dict[str, float]) -> None:
        self.path, self.info = source.path, source.info
        self._capture, self._spent = capture, spent

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._capture:
            given = time.thread_time()
            yield frame
            self._spent["find"] += time.thread_time() - given
