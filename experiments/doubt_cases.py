"""Restored frames whose truth is known, and what was known of them beforehand.

A case is a clip of one person with something over the face.  The product's own walk restores it;
of each hidden frame some pixels are drawn, and their features (``diffmvr.doubt.features``) are kept
beside the errors that they came to have.
"""

import logging
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from drawn_occluders import KINDS, hide
from real_clips import find_face
from real_faces_cases import crop_clip

from diffmvr.data.portraits import PortraitClips
from diffmvr.data.synthetic import render_clip
from diffmvr.doubt.features import pixel_features
from diffmvr.doubt.judgement import FrameDoubt, Judged
from diffmvr.doubt.sight import Sight
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.geometry import move_points
from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.backends import choose_backends
from diffmvr.preprocessing.crop import crop_track, square_crops
from diffmvr.preprocessing.frame_source import Frame, VideoInfo
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.planner import plan
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.restoration.regions import cover_holes, hole_box
from diffmvr.restoration.report import RestoredFrame
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.restoration.self_check import ClearPicture, trial_clips
from diffmvr.structures import Clip, FaceTrack, FloatArray, PastSelection, UInt8Array

PIXELS = 300
"""So many hidden pixels are drawn of each frame."""

LENGTH, SPAN = 24, 192
"""Frames of a real recording, spread over at most so many of its first ones."""

CLIP_LENGTH = 10
"""Frames of the clips of London's and of rendered people."""

LONDON_STEP, RENDERED_STEP = 0.2, 0.25
"""Seconds between their frames."""

SEED, RENDERED_SEED = 0, 11
BANK = PastSelection(select="bank")


Made = tuple[dict[str, Any], list[RestoredFrame]]
"""A case, and the frames that it was made of."""


log = logging.getLogger("calibrate_doubt")


@dataclass(frozen=True)
class Person:
    """Who is in a case, and where it comes from: ``faces``, ``grid``, ``london``, ``rendered``."""

    name: str
    source: str


class Collector:
    """A judge who says nothing and keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Sight, np.ndarray]] = {}
        self.seconds = 0.0

    def __call__(self, sight: Sight) -> Judged:
        """Keep a frame's features."""
        begun = time.process_time()
        self.seen[sight.index] = replace(sight), pixel_features(sight)
        self.seconds += time.process_time() - begun
        return self.blind(sight.hidden_share, "")

    def blind(self, hidden_share: float | None, why: str) -> Judged:
        """Say nothing."""
        return Judged(FrameDoubt(None, None, None, None, None, hidden_share, False, (why,)))


@dataclass
class _InMemory:
    """A recording and its masks, in memory."""

    images: UInt8Array
    masks: UInt8Array
    pts: Sequence[int]
    info: VideoInfo
    path: Path = Path("in-memory")
    notes: tuple[str, ...] = ()
    endless: bool = False

    def __iter__(self) -> Iterator[Any]:
        for index, (image, pts) in enumerate(zip(self.images, self.pts, strict=True)):
            yield Frame(index, pts, 1, image)


@dataclass
class _Masks:
    masks: UInt8Array
    path: Path = Path("masks")
    notes: tuple[str, ...] = ()
    endless: bool = False

    def __iter__(self) -> Iterator[UInt8Array]:
        return iter(self.masks)


@dataclass
class Cases:
    """Makes cases by one model in memory."""

    pipeline: DiffMVRPipeline

    def recording(self, path: Path, source: str, kind: str) -> Made:
        """Hide a talking face with a drawn occluder and restore it as ``restore`` would."""
        opened = open_frames(path)
        first = list(islice(opened, SPAN))
        chosen = first[:: max(1, len(first) // LENGTH)][:LENGTH]
        truth = np.stack([frame.image for frame in chosen])
        clear = np.zeros(truth.shape[:3], np.uint8)
        track = find_face(truth, clear)
        hidden = hide(truth, track, kind, path.stem)
        height, width = truth.shape[1:3]
        info = VideoInfo(path.stem, width, height, Fraction(25), opened.info.time_base)
        frames = _InMemory(hidden.observed, hidden.outline, [one.pts for one in chosen], info)
        scanner = choose_backends(
            mask="given",
            face_weights=None,
            occluder_weights=None,
            landmarker=find_landmarker_bundle(None),
            confidence=0.5,
            boxes=False,
        ).open_scanner(None)
        masks = _Masks(hidden.outline)
        plans = plan(
            with_masks(frames, masks, exact=True),
            info,
            scanner,
            self.pipeline.resolution,
            past=BANK,
        )
        person = Person(path.stem, source)
        return self._case(person, kind, frames, masks, plans, truth, track)

    def clip(self, clip: Clip, source: str, seconds: float) -> Made:
        """Restore a clip whose track is known exactly, ``seconds`` between its frames."""
        if clip.frames is None:
            raise ValueError(f"clip: expected one whose truth is known, got {clip.clip_id}")
        size = clip.observed.shape[1:3]
        info = VideoInfo(clip.clip_id, size[1], size[0], Fraction(1), Fraction(seconds))
        frames = _InMemory(clip.observed, clip.mask, range(len(clip)), info)
        planned = _plan_of(clip, self.pipeline.resolution, seconds)
        return self._case(
            *(Person(clip.subject_id, source), "", frames, _Masks(clip.mask), [planned]),
            clip.frames,
        )

    def _case(
        self,
        person: Person,
        kind: str,
        frames: _InMemory,
        masks: _Masks,
        plans: Any,
        truth: UInt8Array,
        track: FaceTrack | None = None,
    ) -> Made:
        collector = Collector()
        guides = AutomaticGuides(self.pipeline.guide_kinds, past=BANK)
        restorer = VideoRestorer(
            CropRestorer(self.pipeline, guides, seed=SEED), judge=collector, self_check=True
        )
        begun = time.process_time()
        results = list(restorer.restore(plans, with_masks(frames, masks)))
        spent = time.process_time() - begun
        rng = np.random.default_rng(zlib.crc32(f"{person.name} {kind}".encode()))
        rows: dict[str, list[Any]] = {name: [] for name in ("features", "errors", "frame")}
        of_frames: list[tuple[float, ...]] = []
        expression = None if track is None else _expression(results, truth, track)
        for result, true in zip(results, truth, strict=True):
            index = result.record.index
            if index not in collector.seen:
                continue
            sight, features = collector.seen[index]
            error = np.abs(result.restored.image.astype(np.float32) - true)
            places = np.argwhere(result.mask != 0)
            drawn = places[rng.choice(len(places), min(PIXELS, len(places)), replace=False)]
            at = np.rint(move_points(sight.matrix, drawn[:, ::-1].astype(float))).astype(int)
            height, width = features.shape[1:]
            column, row = at[:, 0].clip(0, width - 1), at[:, 1].clip(0, height - 1)
            rows["features"].append(features[:, row, column].T)
            rows["errors"].append(error[drawn[:, 0], drawn[:, 1]])
            rows["frame"].append(np.full(len(drawn), len(of_frames)))
            hole = result.mask != 0
            of_frames.append(
                (
                    float(index),
                    float(np.sqrt((error[hole] ** 2).mean())),
                    float(hole.sum()),
                    float(sight.hidden_share),
                    np.nan if sight.age is None else float(sight.age),
                    np.nan if expression is None else float(expression[index]),
                )
            )
        if not of_frames:
            raise ValueError(f"{person.name}: no hidden frame was led by a clear one")
        case = {
            "person": person.name,
            "source": person.source,
            "kind": kind,
            "features": np.concatenate(rows["features"]).astype(np.float32),
            "errors": np.concatenate(rows["errors"]).astype(np.float32),
            "frame": np.concatenate(rows["frame"]),
            "frames": np.array(of_frames),
            "seconds": np.array([spent, collector.seconds]),
        }
        return case, results


def _expression(
    results: Sequence[RestoredFrame], truth: UInt8Array, track: FaceTrack
) -> FloatArray:
    """Return ``[T]``, the mean error of the blendshapes; NaN where no face was found."""
    restored = np.stack([one.restored.image for one in results])
    mask = np.stack([one.mask for one in results])
    clip = Clip("case", "", truth, mask, track, truth, np.arange(len(truth)))
    crops = square_crops(track, truth.shape[1:3], 192)
    cut = np.stack([crop.apply(one) for crop, one in zip(crops, restored, strict=True)])
    scores = RealFaceScorer.from_bundle().frame_scores(cut, crop_clip(clip, crops))
    return scores["blendshape_error"]


def _plan_of(clip: Clip, size: int, seconds: float) -> ScenePlan:
    """Return the plan of a clip that is one scene and whose track is known."""
    shape = clip.mask.shape[1:]
    crops = square_crops(clip.track, shape, size)
    share = clip.mask.mean(axis=(1, 2))
    track = crop_track(clip.track, crops)
    numbers = np.arange(len(clip))
    holes = {int(t): crops[t].apply_mask(clip.mask[t]) for t in np.flatnonzero(share > 0)}
    clear = {
        int(t): ClearPicture(
            int(t), crops[t].resized(2 * size).apply(clip.observed[t]), crops[t].resized(2 * size)
        )
        for t in np.flatnonzero(share == 0)
    }
    boxes = np.stack([hole_box(mask) for mask in clip.mask])
    return ScenePlan(
        frame_index=numbers,
        times=seconds * numbers,
        mask_share=share,
        shot=0,
        person=0,
        track=track,
        crops=crops,
        regions=cover_holes(crops, boxes),
        region_source=("truth",) * len(clip),
        trials=tuple(trial_clips(share, clear, holes, crops, track, numbers)),
    )


def save(case: dict[str, Any], path: Path) -> None:
    """Write a case, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(partial, **case)
    partial.replace(path)


def make_cases(shared: Path, folder: Path, counts: Mapping[str, int], weights: Path) -> None:
    """Make every case that is not there yet, real recordings first.

    Args:
        shared: the folder that holds ``data/faces``, ``data/grid`` and ``data/london``.
        folder: where cases are kept.
        counts: how many people of each source at most.
        weights: folder of the model that restores.
    """
    cases = Cases(DiffMVRPipeline.from_pretrained(weights))
    kinds = list(KINDS)
    paths = [("faces", one) for one in sorted((shared / "data/faces").glob("*.mp4"))]
    paths += [("grid", one) for one in sorted((shared / "data/grid").glob("*.mpg"))]
    for number, (source, path) in enumerate(paths):
        if sum(one == source for one, _ in paths[:number]) >= counts.get(source, 0):
            continue
        kind = kinds[number % len(kinds)]
        target = folder / source / f"{path.stem}_{kind}.npz"
        if not target.is_file():
            save(cases.recording(path, source, kind)[0], target)
    for part in ("test", "train"):
        wanted = counts.get(f"london_{part}", 0)
        if wanted:
            clips = PortraitClips(
                shared / "data/london",
                clips_per_subject=1,
                num_frames=CLIP_LENGTH,
                frame_rate=1 / LONDON_STEP,
                size=128,
                people=part,
            )
            for index in range(min(wanted, len(clips))):
                target = folder / f"london_{part}" / f"{clips.subject_ids[index]}.npz"
                if not target.is_file():
                    save(cases.clip(clips[index], f"london_{part}", LONDON_STEP)[0], target)
    for subject in range(counts.get("rendered", 0)):
        target = folder / "rendered" / f"{subject:04d}.npz"
        if target.is_file():
            continue
        clip = render_clip(RENDERED_SEED, subject, 0, num_frames=CLIP_LENGTH)
        try:
            save(cases.clip(clip, "rendered", RENDERED_STEP)[0], target)
        except ValueError as error:
            # Some are hidden from the first frame on.
            log.warning("left out: %s", error)
