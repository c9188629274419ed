"""``python -m diffmvr.preprocess input=DIR_OR_VIDEO output=STORE``: recordings to a clip store."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from diffmvr.checks import check_name, check_number
from diffmvr.cli import entry_point
from diffmvr.clip_store import ClipStore, ClipStoreWriter, StoreInfo
from diffmvr.clip_store.layout import FAILED_NAME, part_path
from diffmvr.files import hash_files
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.parsing import parse_rate, read_settings, user_path
from diffmvr.plan import Plan
from diffmvr.preprocessing.backends import Backends, choose_backends, default_cleaning
from diffmvr.preprocessing.companions import find_beside
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.layouts import Recording, check_outside, find_recordings
from diffmvr.preprocessing.media_files import open_to_read
from diffmvr.preprocessing.recording import RecordingJob, RecordingResult, RecordingSettings
from diffmvr.preprocessing.workers import Outcome, process_all
from diffmvr.progress import ProgressBars
from diffmvr.reporting.store_index import write_index
from diffmvr.reporting.store_sheet import save_sheets
from diffmvr.runs.facts import package_versions
from diffmvr.structures import CLEAR_THRESHOLD

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreprocessSettings:
    """What ``conf/preprocess/preprocess.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is out of range.
    """

    input: str
    output: str
    layout: str = "auto"
    pattern: str | None = None
    face: str = "auto"
    boxes: str | None = None
    face_weights: str | None = None
    landmarker: str | None = None
    mask: str = "segmentation"
    masks: str | None = None
    occluder_weights: str | None = None
    confidence: float = 0.5
    trusted: bool = False
    close: float | None = None
    fill_gap: int | None = None
    dilate: float | None = None
    size: int = 512
    fps: str | None = "20"
    picture_rate: str | None = None
    max_gap: int = 10
    max_frames: int = 600
    clear_threshold: float = CLEAR_THRESHOLD
    image_suffix: str = ".png"
    workers: int = 2
    sheets: bool = True
    name: str | None = None
    plan: bool = False

    def __post_init__(self) -> None:
        check_number("workers", self.workers, 1, 1024)
        # At once, and not where each is needed.
        check_number("confidence", self.confidence, 0, 1)
        check_number("clear_threshold", self.clear_threshold, 0, 1)
        check_number("size", self.size, 16, 4096)
        check_number("max_gap", self.max_gap, 0, 10_000)
        check_number("max_frames", self.max_frames, 2, 100_000)
        for name in ("close", "fill_gap", "dilate"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0, 1000)

    @classmethod
    def from_config(cls, config: DictConfig) -> "PreprocessSettings":
        """Check the types of a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = {
            "input": "a recording or a folder, got none; give input=PATH",
            "output": "the store's folder, got none; give output=STORE",
        }
        return read_settings(cls, config, needed)


@dataclass(frozen=True)
class PreprocessSummary:
    """What became of the recordings.

    Attributes:
        store: the store's folder.
        done: results of the recordings that were processed now.
        complete_before: names of those that were in the store already.
        failed: why the others could not be used, by name.
    """

    store: Path
    done: tuple[RecordingResult, ...]
    complete_before: tuple[str, ...]
    failed: dict[str, str]


def preprocess(settings: PreprocessSettings) -> PreprocessSummary:
    """Make recordings into a clip store, or add to one; finished recordings are skipped.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if an input or a setting cannot be used.
        OSError: if the disk is full; what is complete stays, and the next run goes on from there.
    """
    # 1. What there is to do, and with what.
    fps = None
    if settings.fps is not None:
        fps = parse_rate("fps", settings.fps, "20 or 30000/1001, or null for every frame")
    picture_rate = None
    if settings.picture_rate is not None:
        picture_rate = parse_rate("picture_rate", settings.picture_rate)
    recordings = find_recordings(_path(settings.input), settings.layout, settings.pattern)
    called = recordings if settings.name is None else _renamed(recordings, settings.name)
    check_outside(_path(settings.output), _path(settings.input))
    backends = _backends(settings)
    how = RecordingSettings(
        backends,
        default_cleaning(
            settings.mask, settings.size, settings.close, settings.fill_gap, settings.dilate
        ),
        settings.size,
        fps,
        settings.clear_threshold,
        settings.max_gap,
        settings.max_frames,
    )
    info = StoreInfo(
        size=settings.size,
        clear_threshold=settings.clear_threshold,
        image_suffix=settings.image_suffix,
        settings={
            "face": backends.face,
            "mask": backends.mask,
            "confidence": settings.confidence,
            "close": how.cleaning.close,
            "fill_gap": how.cleaning.fill_gap,
            "dilate": how.cleaning.dilate,
            "fps": settings.fps,
            "max_gap": settings.max_gap,
            "max_frames": settings.max_frames,
        },
        weights={name: hash_files(path) for name, path in backends.weights.items()},
        tools=package_versions(),
    )
    jobs = [
        RecordingJob(
            named,
            find_beside(settings.masks, recording, len(recordings), "masks"),
            find_beside(settings.boxes, recording, len(recordings), "boxes"),
            picture_rate,
        )
        for recording, named in zip(recordings, called, strict=True)
    ]

    # 2. Process what the store does not have.
    writer = ClipStoreWriter(_path(settings.output), info)
    before = [job.name for job in jobs if writer.is_complete(job.name)]
    open_jobs = [job for job in jobs if job.name not in set(before)]
    if before:
        log.info("%d of %d recordings are in the store already", len(before), len(jobs))
    log.info("%d recordings to look at; the store is %s", len(open_jobs), writer.root)
    done: list[RecordingResult] = []
    failed: dict[str, str] = {}
    with ProgressBars() as progress:
        whole = progress.add_task("recordings", total=len(open_jobs))
        frames = progress.add_task("looking at", total=None, unit="frames")

        def finished(job: RecordingJob, outcome: Outcome) -> None:
            progress.advance(whole)
            if isinstance(outcome, RecordingResult):
                done.append(outcome)
                log.info("%s", _describe(outcome))
                for note in outcome.notes:
                    log.warning("%s: note: %s", outcome.name, note)
            else:
                failed[job.name] = outcome
                log.error("%s: %s", job.name, outcome)

        try:
            process_all(
                writer,
                open_jobs,
                how,
                settings.workers,
                lambda count: progress.advance(frames, count),
                finished,
            )
        finally:
            # 3. The store is readable at every end of a run.
            if done or before:
                writer.finish()
            writer.note_failures(failed)
    # 4. Something to look at.
    if (done or before) and settings.sheets:
        store = ClipStore(writer.root)
        guides = AutomaticGuides(("symmetric", "past"), store.info.clear_threshold, "similarity")
        save_sheets(store, guides)
        log.info("look at %s", write_index(store))
    return PreprocessSummary(writer.root, tuple(done), tuple(before), failed)


def _renamed(recordings: Sequence[Recording], name: str) -> list[Recording]:
    """Call the only recording by another name, and its person if it told who that is."""
    check_name("name", name)
    if len(recordings) != 1:
        raise ValueError(
            f"name: is of one recording, and input holds {len(recordings)}; preprocess that "
            "recording alone"
        )
    (only,) = recordings
    subject = name if only.subject in (only.name, only.path.name) else only.subject
    return [replace(only, name=name, subject=subject)]


def _describe(result: RecordingResult) -> str:
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(result.skipped.items()))
    text = f"{result.name}: {result.kept} frames in {len(result.clips)} clips"
    return f"{text}; left out: {skipped}" if skipped else text


def _path(text: str) -> Path:
    return user_path(text)


def _optional_path(text: str | None) -> Path | None:
    return None if text is None else _path(text)


def _backends(settings: PreprocessSettings) -> Backends:
    """Choose what finds faces and what hides them."""
    return choose_backends(
        settings.face,
        settings.mask,
        _optional_path(settings.face_weights),
        _optional_path(settings.occluder_weights),
        find_landmarker_bundle(settings.landmarker),
        settings.confidence,
        settings.trusted,
        settings.boxes is not None,
    )


def preprocessing_plan(config: DictConfig) -> Plan:
    """Return what ``python -m diffmvr.preprocess`` would do.

    Args:
        config: the composed ``conf/preprocess/preprocess.yaml``.

    Raises:
        ValueError: as the command would, if an input or a setting cannot be used.
        FileNotFoundError: if an input is missing.
    """
    settings = PreprocessSettings.from_config(config)
    recordings = find_recordings(_path(settings.input), settings.layout, settings.pattern)
    backends = _backends(settings)
    store = _path(settings.output)
    before = sum(part_path(store, recording.name).is_file() for recording in recordings)
    facts = {
        "recordings": f"{len(recordings)} of {len({r.subject for r in recordings})} people; "
        f"{before} of them are in the store already",
        "frames": _frames_told(recordings, settings.fps),
        "face": backends.face,
        "mask": backends.mask,
        "memory": f"at most {settings.max_frames} crops of {settings.size} × {settings.size} in "
        f"each of {settings.workers} workers: about "
        f"{settings.max_frames * settings.size**2 * 4 * settings.workers / 2**30:.1f} GiB",
        "time": "unknown: no recording has been looked at",
    }
    suffix = settings.image_suffix
    files = [f"JPEGImages/CLIP/00000{suffix}", "Annotations/CLIP/00000.png"]
    files += ["manifest.parquet", "store.json"]
    files += ["sheets/", "index.html"] if settings.sheets else []
    return Plan(facts, store, files)


def _frames_told(recordings: Sequence[Recording], fps: str | int | float | None) -> str:
    """Return how many frames the files' headers promise."""
    counts = [_frames_of(recording.path) for recording in recordings]
    known = sum(count for count in counts if count is not None)
    unknown = sum(count is None for count in counts)
    told = f"{known} by the files' headers"
    told += f", and {unknown} recordings whose headers do not say" if unknown else ""
    return told if fps is None else f"{told}; of these {fps} a second are kept"


def _frames_of(path: Path) -> int | None:
    if path.is_dir():
        return sum(1 for entry in path.iterdir() if entry.is_file())
    try:
        with open_to_read(path) as container:
            return int(container.streams.video[0].frames) or None
    except (ValueError, OSError, IndexError):
        return None


@entry_point("preprocess", "preprocess", plan=preprocessing_plan)
def main(config: DictConfig) -> None:
    """Make the clip store that the composed configuration names."""
    summary = preprocess(PreprocessSettings.from_config(config))
    if summary.failed:
        names = ", ".join(sorted(summary.failed))
        others = summary.done or summary.complete_before
        raise ValueError(
            f"input: {len(summary.failed)} recordings could not be used ({names}; the reasons are "
            f"above, and in {summary.store / FAILED_NAME})"
            + (f"; everything else is in {summary.store}" if others else "")
        )


if __name__ == "__main__":
    main()
