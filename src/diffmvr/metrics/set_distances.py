"""Fréchet distances between everything a restorer made and the truth, with paired resamples.

The features of a clip's truth are extracted once, those of a restored clip once per restorer, and
a restored frame without a hole is the truth itself, so the network sees it only once.

Legend: T frames, H × W pixels, D features, N samples (frames or clips).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from diffmvr.metrics.extractors import (
    FeatureExtractor,
    FrameExtractor,
    frame_distance_name,
    video_distance_name,
)
from diffmvr.metrics.gaussians import frechet_distance_of_features
from diffmvr.metrics.ground_truth import true_frames
from diffmvr.metrics.resamples import ResampledTruth
from diffmvr.structures import Clip, UInt8Array, to_pixel_values

log = logging.getLogger(__name__)

REPLICATES = 200
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class SetDistance:
    """The distance between what one restorer made of a set of clips and their truth.

    Attributes:
        restorer: whose.
        distance: its name, e.g. ``fid`` or ``fd_clip_tiny``.
        extractor: name of the network.
        weight_hash: SHA-256 of its weights; empty if they are no file.
        n_samples: number of frames, or of clips for a distance between videos.
        n_subjects: number of persons.
        value: the distance; ``None`` with fewer than two samples.
        replicates: the distance on resamples of the persons, see :func:`resampled_subjects`.
    """

    restorer: str
    distance: str
    extractor: str
    weight_hash: str
    n_samples: int
    n_subjects: int
    value: float | None
    replicates: tuple[float, ...]


@dataclass
class FeatureSet:
    """Features under one distance's name, ``[N, D]`` by restorer and clip; the truth's apart.

    Attributes:
        extractor: name of the network.
        weight_hash: SHA-256 of its weights.
        truth: by clip.
        restored: by restorer and clip.
    """

    extractor: str
    weight_hash: str
    truth: dict[str, Tensor] = field(default_factory=dict)
    restored: dict[str, dict[str, Tensor]] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectedFeatures:
    """What was taken in so far: to be kept, and joined with what others took in.

    Attributes:
        replicates: how many resamples of the subjects are wanted.
        subjects: who each clip shows.
        sets: the features, by the distance's name.
    """

    replicates: int
    subjects: Mapping[str, str]
    sets: Mapping[str, FeatureSet]


class SetDistances:
    """Collects the features of restored clips and of their truth, and compares them.

    Args:
        frames: networks that see frames, by what a configuration calls them.  Each gives a pooled
            distance, a per-clip one, and where it can summarise a video one between videos.
        videos: networks that see whole clips, likewise; each gives a distance between videos.
        replicates: how many resamples of the subjects; 0 for none.  One costs a few milliseconds
            for 128 features and about a second for 2048.

    Example::

        distances = SetDistances(frames={"tiny": tower_features(folder)})
        scores = distances.add("telea", restored, clip)  # {"fd_clip_tiny_video": …}
        distances.compute()  # [SetDistance("telea", "fd_clip_tiny", …), …]
    """

    def __init__(
        self,
        frames: Mapping[str, FrameExtractor] = NONE,
        videos: Mapping[str, FeatureExtractor] = NONE,
        replicates: int = REPLICATES,
    ) -> None:
        if replicates < 0:
            raise ValueError(f"replicates: expected at least 0, got {replicates}")
        self._frames, self._videos = tuple(frames.values()), tuple(videos.values())
        self._replicates = replicates
        self._subjects: dict[str, str] = {}
        self._sinks: dict[str, FeatureSet] = {}
        for extractor in self._frames:
            self._open(frame_distance_name(extractor.name), extractor)
            if extractor.summarise is not None:
                self._open(video_distance_name(extractor.name), extractor)
        for video_extractor in self._videos:
            self._open(video_distance_name(video_extractor.name), video_extractor)

    def _open(self, name: str, extractor: FrameExtractor | FeatureExtractor) -> None:
        if name in self._sinks:
            raise ValueError(
                f"extractors: {name} is made by two of them, {self._sinks[name].extractor} and "
                f"{extractor.name}; one table holds one network under a name"
            )
        self._sinks[name] = FeatureSet(extractor.name, extractor.weight_hash or "")

    def add(self, restorer: str, restored: UInt8Array, clip: Clip) -> dict[str, float]:
        """Take in a restored clip.

        Args:
            restorer: who made it.
            restored: ``[T, H, W, 3]`` uint8 RGB, equal to the truth wherever the mask is 0.
            clip: the clip, its ground truth known.

        Returns:
            The distance between the frames of this clip and its truth, by name (``fid_video``,
            ``fd_clip_tiny_video``); NaN for a clip of one frame.

        Raises:
            ValueError: if the truth is unknown, the shapes differ (another number of frames,
                another size), the clip's name belongs to another subject, or the restorer has
                already given this clip.
        """
        frames = true_frames(clip, restored)
        self._check_subject(clip.clip_id, clip.subject_id)
        scores: dict[str, float] = {}
        for extractor in self._frames:
            name = frame_distance_name(extractor.name)
            if clip.clip_id not in self._sinks[name].truth:
                self._keep_frames(extractor, None, extractor(to_pixel_values(frames)), clip)
            truth = self._sinks[name].truth[clip.clip_id]
            features = truth.clone()
            hidden = torch.from_numpy(clip.mask.any(axis=(1, 2)))
            if hidden.any():
                features[hidden] = extractor(to_pixel_values(restored[hidden.numpy()])).to(truth)
            self._keep_frames(extractor, restorer, features, clip)
            enough = len(features) > 1
            distance = frechet_distance_of_features(truth, features) if enough else float("nan")
            scores[f"{name}_video"] = float(distance)
        for video_extractor in self._videos:
            sink, name = self._sinks[video_distance_name(video_extractor.name)], clip.clip_id
            if clip.clip_id not in sink.truth:
                self._keep(sink, None, video_extractor(to_pixel_values(frames)[None]), name)
            self._keep(sink, restorer, video_extractor(to_pixel_values(restored)[None]), name)
        return scores

    def rehearse(self, clip: Clip) -> None:
        """Show a clip's truth to every network and keep nothing.

        Raises:
            ValueError: if the truth is unknown, or a network cannot take such a clip.
        """
        frames = true_frames(clip)
        for extractor in self._frames:
            extractor(to_pixel_values(frames))
        for video_extractor in self._videos:
            video_extractor(to_pixel_values(frames)[None])

    def _check_subject(self, clip: str, subject: str) -> None:
        known = self._subjects.setdefault(clip, subject)
        if known != subject:
            raise ValueError(
                f"clip: {clip!r} is of {known!r} and of {subject!r}; give every clip a name of "
                "its own"
            )

    def _keep_frames(
        self, extractor: FrameExtractor, restorer: str | None, features: Tensor, clip: Clip
    ) -> None:
        self._keep(
            self._sinks[frame_distance_name(extractor.name)], restorer, features, clip.clip_id
        )
        if extractor.summarise is not None:
            sink = self._sinks[video_distance_name(extractor.name)]
            self._keep(sink, restorer, extractor.summarise(features)[None], clip.clip_id)

    @staticmethod
    def _keep(sink: FeatureSet, restorer: str | None, features: Tensor, clip: str) -> None:
        """Keep a clip's features, the truth's if there is no restorer."""
        if restorer is None:
            sink.truth[clip] = features.cpu()
            return
        own = sink.restored.setdefault(restorer, {})
        if clip in own:
            raise ValueError(f"restored: {restorer} has already restored clip {clip!r}")
        own[clip] = features.cpu()

    def collected(self) -> CollectedFeatures:
        """Return what was taken in; nothing is copied."""
        return CollectedFeatures(self._replicates, self._subjects, self._sinks)

    @classmethod
    def joined(cls, parts: Sequence[CollectedFeatures]) -> "SetDistances":
        """Return what would be there if one had taken in the clips of all parts; no network.

        Args:
            parts: of different clips.

        Raises:
            ValueError: if parts measure with other networks or resamples, a clip's name belongs to
                two subjects, or two parts have the same clip of a restorer.
        """
        whole = cls(replicates=parts[0].replicates)
        for part in parts:
            if part.replicates != whole._replicates:
                raise ValueError(
                    f"replicates: the parts have {whole._replicates} and {part.replicates}; score "
                    "them with the same settings"
                )
            for clip, subject in part.subjects.items():
                whole._check_subject(clip, subject)
            for name, own in part.sets.items():
                network = own.extractor, own.weight_hash
                sink = whole._sinks.setdefault(name, FeatureSet(*network))
                if (sink.extractor, sink.weight_hash) != network:
                    raise ValueError(
                        f"{name}: the parts were measured with {sink.extractor} "
                        f"({sink.weight_hash[:12]}) and {own.extractor} "
                        f"({own.weight_hash[:12]}); score them with one network"
                    )
                for clip, features in own.truth.items():
                    cls._keep(sink, None, features, clip)
                for restorer, by_clip in own.restored.items():
                    for clip, features in by_clip.items():
                        cls._keep(sink, restorer, features, clip)
        return whole

    def compute(self) -> list[SetDistance]:
        """Return every distance of every restorer, in the order in which they came."""
        return [found for name in self._sinks for found in self._distances(name)]

    def _distances(self, name: str) -> Iterator[SetDistance]:
        sink = self._sinks[name]
        truths: dict[tuple[str, ...], ResampledTruth] = {}
        for restorer, features in sink.restored.items():
            clips = tuple(sorted(features))
            subjects = [self._subjects[clip] for clip in clips]
            if clips not in truths:
                real = [sink.truth[clip] for clip in clips]
                truths[clips] = ResampledTruth(real, subjects, self._replicates)
            truth = truths[clips]
            fake = torch.cat([features[clip] for clip in clips])
            value: float | None = None
            replicates: tuple[float, ...] = ()
            if len(fake) < 2:
                log.warning("%s: one sample has no covariance; score more clips", name)
            else:
                value, replicates = truth.distances(fake)
            yield SetDistance(
                restorer=restorer,
                distance=name,
                extractor=sink.extractor,
                weight_hash=sink.weight_hash,
                n_samples=len(fake),
                n_subjects=len(set(subjects)),
                value=value,
                replicates=replicates,
            )
