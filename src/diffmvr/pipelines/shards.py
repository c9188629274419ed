"""One evaluation in several jobs: each scores some of the clips, and their parts are put together.

A part keeps what cannot be put together from numbers alone: the score rows of its clips, and their
features for the distances between sets.  What is made of all parts is then what one job would have
made: the same rows in the same order, and distances of the same features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffmvr.clip_store.layout import write_at_once
from diffmvr.metrics.set_distances import CollectedFeatures, FeatureSet, SetDistances
from diffmvr.reporting.rows import load_rows, save_rows
from diffmvr.reporting.run_record import read_json, write_json

PART_FILE = "part.json"
_ROWS, _FEATURES = "part", "part.safetensors"

Item = TypeVar("Item")


@dataclass(frozen=True, order=True)
class Shard:
    """One of several equal jobs.

    Attributes:
        number: which, 1 to ``count``.
        count: how many there are.

    Raises:
        ValueError: if there is no such job.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"shard: expected 1/{self.count} to {self.count}/{self.count}, got {self}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``"1/4"``.

        Raises:
            ValueError: if it is not of that form, or there is no such job.
        """
        number, _, count = str(text).partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise ValueError(
                f"shard: expected the number of this job and of all, as 1/4, got {text!r}"
            )
        return cls(int(number), int(count))

    def of(self, items: Sequence[Item], what: str = "clips") -> list[Item]:
        """Return this job's items: consecutive ones, so that the parts in order are the whole.

        Args:
            items: those of all jobs.
            what: their name, for the message.

        Raises:
            ValueError: if there are fewer items than jobs.
        """
        if len(items) < self.count:
            raise ValueError(
                f"shard: {self.count} jobs for {len(items)} {what}; use at most {len(items)}"
            )
        first, end = (len(items) * n // self.count for n in (self.number - 1, self.number))
        return list(items[first:end])


@dataclass(frozen=True)
class Part:
    """What one job of an evaluation found.

    Attributes:
        shard: which job.
        reference: the restorer that the others are compared with.
        rows: per-clip scores.
        features: for the distances between sets; ``None`` if none are measured.
        missing: restorers that could not run, with the reason.
    """

    shard: Shard
    reference: str
    rows: pl.DataFrame
    features: CollectedFeatures | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the part into the job's folder; ``part.json`` last."""
        save_rows(self.rows, folder / _ROWS)
        content: dict[str, Any] = {
            "shard": str(self.shard),
            "reference": self.reference,
            "missing": dict(self.missing),
        }
        (folder / _FEATURES).unlink(missing_ok=True)
        if self.features is not None:
            tensors, names = _flat(self.features)
            write_at_once(folder / _FEATURES, lambda partial: save_file(tensors, partial))
            content["features"] = {
                "replicates": self.features.replicates,
                "subjects": dict(self.features.subjects),
                "networks": {
                    name: [own.extractor, own.weight_hash]
                    for name, own in self.features.sets.items()
                },
                "names": names,
            }
        write_json(folder / PART_FILE, content)

    @classmethod
    def load(cls, folder: Path) -> "Part":
        """Read a job's part.

        Raises:
            FileNotFoundError: if the folder holds none.
        """
        if not (folder / PART_FILE).is_file():
            raise FileNotFoundError(f"no {PART_FILE} in {folder}; evaluate with shard=1/4")
        content = read_json(folder / PART_FILE)
        features = None
        if "features" in content:
            features = _unflat(content["features"], load_file(folder / _FEATURES))
        return cls(
            Shard.parse(content["shard"]),
            content["reference"],
            load_rows(folder / f"{_ROWS}.parquet"),
            features,
            content["missing"],
        )


@dataclass(frozen=True)
class Whole:
    """What one job would have found.

    Attributes:
        reference: the restorer that the others are compared with.
        rows: per-clip scores.
        distances: has taken in every restored clip; ``None`` if none are measured.
        missing: restorers that could not run, with the reason.
    """

    reference: str
    rows: pl.DataFrame
    distances: SetDistances | None
    missing: Mapping[str, str]


def join_parts(parts: Sequence[Part]) -> Whole:
    """Put the parts of one evaluation together, in any order.

    Raises:
        ValueError: if a part is absent or there twice, or a restorer ran in some of them only.
    """
    ordered = sorted(parts, key=lambda part: part.shard)
    check_all([part.shard for part in ordered])
    for part in ordered[1:]:
        if dict(part.missing) != dict(ordered[0].missing):
            names = sorted(set(part.missing) ^ set(ordered[0].missing))
            raise ValueError(
                f"shard: {part.shard} and {ordered[0].shard} did not run the same restorers "
                f"({', '.join(names)}); put the weights everywhere and score that part again"
            )
    features = [part.features for part in ordered if part.features is not None]
    return Whole(
        ordered[0].reference,
        pl.concat([part.rows for part in ordered]),
        SetDistances.joined(features) if features else None,
        ordered[0].missing,
    )


def check_all(shards: Sequence[Shard]) -> None:
    """Require every job of one division, each once.

    Raises:
        ValueError: naming those that are absent or there twice.
    """
    counts = sorted({shard.count for shard in shards})
    if len(counts) > 1:
        raise ValueError(f"shard: the parts are of {counts} jobs; merge those of one division")
    absent = sorted({Shard(n, counts[0]) for n in range(1, counts[0] + 1)} - set(shards))
    if absent:
        names = ", ".join(map(str, absent))
        raise ValueError(f"shard: {names} not finished; run the same command with shard={names}")
    twice = sorted({str(shard) for shard in shards if shards.count(shard) > 1})
    if twice:
        raise ValueError(f"shard: {', '.join(twice)} there twice; name the folders of one run")


def _flat(features: CollectedFeatures) -> tuple[dict[str, Tensor], list[list[str | None]]]:
    """Return tensors by number, and for each its distance, restorer (null: the truth) and clip."""
    entries: list[tuple[list[str | None], Tensor]] = []
    for name, own in features.sets.items():
        entries += [([name, None, clip], tensor) for clip, tensor in own.truth.items()]
        for restorer, by_clip in own.restored.items():
            entries += [([name, restorer, clip], tensor) for clip, tensor in by_clip.items()]
    # Copied: a frame without a hole shares its features with the truth.
    tensors = {str(n): tensor.clone().contiguous() for n, (_, tensor) in enumerate(entries)}
    return tensors, [names for names, _ in entries]


def _unflat(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> CollectedFeatures:
    sets = {name: FeatureSet(*network) for name, network in content["networks"].items()}
    for number, (name, restorer, clip) in enumerate(content["names"]):
        by_clip = sets[name].truth
        if restorer is not None:
            by_clip = sets[name].restored.setdefault(restorer, {})
        by_clip[clip] = tensors[str(number)]
    return CollectedFeatures(content["replicates"], content["subjects"], sets)
