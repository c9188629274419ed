"""One recording becomes clips of a store (paper 3.1, 4.1), in two passes and bounded memory.

The first pass finds the face and what hides it, scene by scene; the second, one scene behind,
reads the same frames again and cuts the crops.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from diffmvr.checks import check_number
from diffmvr.clip_store import ClipStoreWriter, RecordingWriter, track_columns
from diffmvr.preprocessing.backends import Backends
from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.frame_stream import (
    FrameAndMask,
    counted,
    read_up_to,
    sampled,
    watched,
    with_masks,
)
from diffmvr.preprocessing.layouts import Recording
from diffmvr.preprocessing.mask_io import MaskSource, open_masks
from diffmvr.preprocessing.occlusion import clean_mask
from diffmvr.preprocessing.pixel_losses import PixelLosses
from diffmvr.preprocessing.reference import occluded_share
from diffmvr.preprocessing.scene_layout import MaskCleaning, lay_out, mask_in_crop
from diffmvr.preprocessing.sightings import Scene, Skipped
from diffmvr.preprocessing.still_picture import open_recording
from diffmvr.structures import CLEAR_THRESHOLD

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordingJob:
    """One recording to be made into clips.

    Attributes:
        recording: what it is, and whose face it shows.
        masks: a video, a folder of PNGs or one PNG, for ``mask=given``; ``None`` for a DAVIS-layout
            clip, whose masks lie beside it.
        boxes: a table of face boxes, for ``face=given``.
        picture_rate: frames per second to read it at; ``None`` keeps a video's own times, and
            takes 25 where there are none, as in a folder of pictures.
    """

    recording: Recording
    masks: Path | None = None
    boxes: Path | None = None
    picture_rate: Fraction | None = None

    @property
    def name(self) -> str:
        """Name of the recording in the store."""
        return self.recording.name


@dataclass(frozen=True)
class RecordingSettings:
    """How recordings are made into clips.

    Attributes:
        backends: what finds the face and what hides it.
        cleaning: of the masks.
        size: side p of the crops in pixels.
        fps: frames per second to keep; ``None`` keeps every frame.
        clear_threshold: largest occluded share of the face box of an unobstructed frame.
        max_gap: a face that is neither seen nor hidden for more frames than this has left.
        max_frames: most frames of a clip.
        threads: decoding threads; 0 lets FFmpeg choose.
    """

    backends: Backends
    cleaning: MaskCleaning = field(default_factory=MaskCleaning)
    size: int = 512
    fps: Fraction | None = Fraction(20)
    clear_threshold: float = CLEAR_THRESHOLD
    max_gap: int = 10
    max_frames: int = 600
    threads: int = 1

    def __post_init__(self) -> None:
        check_number("size", self.size, 16, 4096)
        check_number("clear_threshold", self.clear_threshold, 0.0, 1.0)


@dataclass(frozen=True)
class RecordingResult:
    """What became of a recording.

    Attributes:
        name: of the recording.
        clips: names of its clips.
        kept: number of frames in them.
        skipped: number of frames left out, by reason.
        notes: what a reader should know of the recording and its masks.
    """

    name: str
    clips: tuple[str, ...]
    kept: int
    skipped: dict[str, int]
    notes: tuple[str, ...] = ()


def process_recording(
    writer: ClipStoreWriter,
    job: RecordingJob,
    settings: RecordingSettings,
    on_frame: Callable[[], None] | None = None,
) -> RecordingResult:
    """Make a recording into clips of a store; it is there as a whole or not at all.

    Args:
        writer: of the store.
        job: the recording.
        settings: how.
        on_frame: called after each frame of the first pass.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if one cannot be used.
        OSError: if the store cannot be written.
    """
    lost: deque[int] = deque()
    source = _open(job, settings, lost.append)
    masks = _open_masks(job, settings, source)
    again = _open(job, settings, lambda index: None)
    unit = source.info.time_base
    scanner = settings.backends.open_scanner(job.boxes, settings.max_gap, settings.max_frames)
    losses = PixelLosses(source.info, "store")
    looked_at = watched(with_masks(source, masks), losses.see)
    first = counted(sampled(looked_at, unit, settings.fps), on_frame)
    second = sampled(with_masks(again, masks), unit, settings.fps)
    with writer.recording(job.name) as out:
        clips = _Clips(out, job, settings, source)
        for scene in scanner.scan(first, unit, lost):
            clips.add(scene, second)
        if not clips.kept and not clips.skipped:
            raise ValueError(f"input: {job.recording.path} has no frames; give a video that plays")
    mask_notes = () if masks is None else masks.notes
    result = replace(clips.result(), notes=(*source.info.notes, *mask_notes, *losses.notes()))
    if not result.kept:
        log.warning("%s: no frame shows a face that can be used: %s", job.name, result.skipped)
    return result


class _Clips:
    """Writes the scenes of one recording as its clips."""

    def __init__(
        self,
        out: RecordingWriter,
        job: RecordingJob,
        settings: RecordingSettings,
        source: FrameSource,
    ) -> None:
        self.kept = 0
        self.skipped: dict[str, int] = {}
        self._out, self._job, self._settings = out, job, settings
        self._frame_size = (source.info.height, source.info.width)
        self._names: list[str] = []
        self._common: dict[str, Any] = {
            "subject": job.recording.subject,
            "state": job.recording.state,
            "source_width": source.info.width,
            "source_height": source.info.height,
        }

    def result(self) -> RecordingResult:
        return RecordingResult(self._job.name, tuple(self._names), self.kept, self.skipped)

    def add(self, scene: Scene, frames: Iterator[FrameAndMask]) -> None:
        """Write one scene, reading its frames for the second time."""
        left_out = deque(sorted(scene.skipped, key=lambda one: one.index))
        if scene.sightings:
            self._write_clip(scene, left_out, frames)
        while left_out:
            self._skip(left_out.popleft())

    def _write_clip(
        self, scene: Scene, left_out: deque[Skipped], frames: Iterator[FrameAndMask]
    ) -> None:
        settings, backends = self._settings, self._settings.backends
        layout = lay_out(
            scene.sightings, self._frame_size, settings.size, settings.cleaning.fill_gap
        )
        columns = track_columns(layout.track)
        number = len(self._names) + 1
        clip = self._job.name if number == 1 else f"{self._job.name}-scene{number}"
        self._names.append(clip)
        clear = -1
        for t, sighting in enumerate(scene.sightings):
            while left_out and left_out[0].index < sighting.index:
                self._skip(left_out.popleft())
            frame, given = read_up_to(frames, sighting.index)
            crop = layout.crops[t]
            if given is not None:
                mask = clean_mask(
                    crop.apply_mask(given), settings.cleaning.close, settings.cleaning.dilate
                )
            else:
                mask = mask_in_crop(layout.masks[t], sighting.region, crop, settings.cleaning)
            share = float(occluded_share(mask[None], layout.track.face_box[t : t + 1])[0])
            row = {
                **self._common,
                **columns[t],
                "source_frame": sighting.index,
                "source_time": sighting.time,
                "crop": crop.matrix,
                "occluded_share": share,
                "mask_source": "filled" if layout.filled[t] else backends.mask,
                "box_source": sighting.box_source,
                "past_index": clear,
                "past_age": t - clear if clear >= 0 else None,
            }
            self._out.add_frame(clip, crop.apply(frame), mask, row)
            self.kept += 1
            if share <= settings.clear_threshold:
                clear = t

    def _skip(self, one: Skipped) -> None:
        row = {
            **self._common,
            "source_frame": one.index,
            "source_time": one.time,
            "skip_reason": one.reason,
        }
        self._out.add_frame(None, None, None, row)
        self.skipped[one.reason] = self.skipped.get(one.reason, 0) + 1


def _open(
    job: RecordingJob, settings: RecordingSettings, on_lost: Callable[[int], None]
) -> FrameSource:
    return open_recording(
        job.recording.path,
        fps=job.picture_rate,
        allow_truncated=True,
        threads=settings.threads,
        on_lost=on_lost,
        fps_name="picture_rate",
    )


def _open_masks(
    job: RecordingJob, settings: RecordingSettings, source: FrameSource
) -> MaskSource | None:
    if settings.backends.mask != "given":
        return None
    return open_masks(job.masks, source, allow_truncated=True)
