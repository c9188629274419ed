"""One evaluation in several jobs: each scores some of the clips, and their parts are put together.

A part keeps what cannot be put together from numbers alone: the score rows of its clips, and their
features for the distances between sets.  What is made of all parts is then what one job would have
made: the same rows in the same order, and distances of the same features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffmvr.files import read_json, write_at_once, write_json
from diffmvr.metrics.set_distances import CollectedFeatures, FeatureSet, SetDistances
from diffmvr.reporting.rows import load_rows, save_rows
from diffmvr.runs.shard import Shard, check_all

PART_FILE = "part.json"
_ROWS, _FEATURES = "part", "part.safetensors"


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
