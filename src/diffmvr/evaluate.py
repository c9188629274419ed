"""``python -m diffmvr.evaluate``: score restorers on people that no model was trained on.

The run's folder then holds ``table.md``, ``table.csv``, ``scores.parquet``, ``distances.parquet``
(the distances between sets), ``comparison.png`` and,
if a restorer could not be built because its weights are not present, ``missing.json``; written
last, ``run.json``.  With ``ledger=true`` a job of a sweep that has finished is skipped; with
``frames=true`` there is also ``frames.parquet``, the scores of single frames.

With ``shard=1/4`` it scores a quarter of the clips and keeps a part; ``python -m diffmvr.merge``
makes of all parts what one job would have left.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.baselines import RESTORERS, get_restorer
from diffmvr.checks import WeightsNotPresentError
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers, weights_dir
from diffmvr.data.sources import ClipSource
from diffmvr.data.splits import check_filled, first_clips, split_indices, split_settings
from diffmvr.evaluation.benchmark import (
    AutoencoderCeiling,
    Scoring,
    save_benchmark,
    save_missing,
    score_restorers,
)
from diffmvr.evaluation.frame_scores import FrameScores
from diffmvr.evaluation.shards import Part
from diffmvr.models.base_checkpoint import resolve_folder
from diffmvr.models.sampler import choose_sampler
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.plan import Plan
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting import Table, image_grid, print_table, save_png
from diffmvr.reporting.frame_rows import FRAMES_FILE, save_frames
from diffmvr.run_record import save_run_record
from diffmvr.runs.facts import run_record
from diffmvr.runs.hashes import model_hash, scoring_hashes
from diffmvr.runs.ledger import open_job
from diffmvr.runs.shard import Shard
from diffmvr.structures import Clip, Restorer
from diffmvr.text import without_places

log = logging.getLogger(__name__)

register_resolvers()

SHOWN_FRAMES = 8
OURS = ("diffmvr", "autoencoder")


def evaluate(cfg: DictConfig) -> Table | None:
    """Score the named restorers and write what came out.

    Args:
        cfg: the composed ``conf/evaluate.yaml``.

    Returns:
        The table; none for one of several jobs.

    Raises:
        ValueError: if a restorer is unknown or the reference does not compete.
        FileNotFoundError: if the model's folder is missing, or the reference's weights are.
    """
    torch.set_num_threads(cfg.threads)
    output = Path(cfg.paths.output)
    shard = None if cfg.get("shard") is None else Shard.parse(cfg.shard)
    names = chosen_restorers(cfg.restorers, cfg.restorer_sets)
    if cfg.reference not in names:
        raise ValueError(
            f"reference: {cfg.reference!r} is not among restorers={names}, which are compared with "
            "it; add it, or name one of them with reference=NAME"
        )
    built, missing = build_restorers(cfg, names)
    if cfg.reference in missing:
        raise WeightsNotPresentError(missing[cfg.reference])
    restorers = list(built.values())
    scoring: Scoring = instantiate(cfg.scoring, _convert_="all")
    source = instantiate(cfg.data.source)
    indices = _test_clips(cfg, source)
    clips = (source[index] for index in indices)
    scorers = list(scoring.scorers.values())
    frames = FrameScores(cfg.mask.type, cfg.seed, cfg.preprocessing.clear_threshold, scorers)
    rows = score_restorers(
        [frames.watch(restorer) for restorer in restorers] if cfg.frames else restorers,
        clips,
        cfg.seed,
        cfg.mask.type,
        len(indices),
        scorers,
        scoring.distances,
    )
    reference, collected = built[cfg.reference].name, scoring.distances
    table = None
    if shard is None:
        own = scoring.own_columns
        table = save_benchmark(rows, collected, output, reference, missing, own)
        save_missing(missing, output)
        print_table(table)
    else:
        features = None if collected is None else collected.collected()
        Part(shard, reference, rows, features, missing).save(output)
    if cfg.frames:
        save_frames(frames.frame(), output)
    save_png(_comparison(source[indices[0]], restorers), output / "comparison.png")
    return table


def _test_clips(cfg: DictConfig, source: ClipSource) -> list[int]:
    """Return which clips are scored, of one of several jobs its own."""
    splits = split_indices(
        source.subject_ids, **split_settings(cfg.data), test_people=source.test_people
    )
    check_filled(splits, source.subject_ids, ["test"])
    indices = first_clips(splits["test"], source.subject_ids, cfg.clips_per_subject)[: cfg.limit]
    return indices if cfg.get("shard") is None else list(Shard.parse(cfg.shard).of(indices))


def chosen_restorers(chosen: str | Sequence[str], sets: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of restorers, each once.

    Args:
        chosen: a name, or several; each is a restorer's or that of a set.
        sets: names by set, ``restorer_sets`` of ``conf/evaluate.yaml``.
    """
    listed = [chosen] if isinstance(chosen, str) else chosen
    return list(dict.fromkeys(name for entry in listed for name in sets.get(entry, [entry])))


def build_restorers(
    cfg: DictConfig, names: Sequence[str]
) -> tuple[dict[str, Restorer], dict[str, str]]:
    """Build restorers by name: ours, those that need no weights, and those of ``conf/baselines``.

    Args:
        cfg: the composed ``conf/evaluate.yaml``.
        names: whom to build.

    Returns:
        The restorers by name, and for those whose weights are not present the reason.

    Raises:
        ValueError: if a name is unknown.
    """
    known = {*OURS, *RESTORERS, *cfg.baselines}
    for name in names:
        if name not in known:
            raise ValueError(
                f"restorers: expected some of {sorted(known)}, or a set of "
                f"{sorted(cfg.restorer_sets)}, got {name!r}"
            )
    ours = _build_ours(cfg) if set(OURS) & set(names) else {}
    built: dict[str, Restorer] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            built[name] = ours[name] if name in ours else _build_baseline(cfg, name)
        except WeightsNotPresentError as error:
            log.warning("%s does not compete: %s", name, error)
            missing[name] = str(without_places(str(error)))
    return built, missing


def _weights(cfg: DictConfig) -> Path:
    return resolve_folder(cfg.weights or weights_dir() / "diffmvr-tiny")


def _build_ours(cfg: DictConfig) -> dict[str, Restorer]:
    pipeline: Any = DiffMVRPipeline.from_pretrained(_weights(cfg))
    pipeline.scheduler = choose_sampler(pipeline.scheduler, cfg.sampler)
    guides = AutomaticGuides(
        pipeline.guide_kinds,
        cfg.preprocessing.clear_threshold,
        cfg.preprocessing.align_past,
        pipeline.guide.past if cfg.past is None else cfg.past,
    )
    ours = CropRestorer(
        pipeline, guides, num_inference_steps=cfg.num_inference_steps, seed=cfg.seed
    )
    return {"diffmvr": ours, "autoencoder": AutoencoderCeiling(pipeline)}


def _build_baseline(cfg: DictConfig, name: str) -> Restorer:
    if name in RESTORERS:
        return get_restorer(name)
    try:
        restorer: Restorer = instantiate(cfg.baselines[name], _convert_="all")
    except InstantiationException as error:
        # Hydra wraps what a constructor raised.
        if isinstance(error.__cause__, WeightsNotPresentError):
            raise error.__cause__ from error
        raise
    return restorer


def _comparison(clip: Clip, restorers: list[Restorer]) -> Any:
    """Return a grid: occluded, every restorer, truth."""
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    picks = hidden[np.linspace(0, len(hidden) - 1, min(SHOWN_FRAMES, len(hidden))).astype(int)]
    rows = [("occluded", clip.observed[picks])]
    rows += [(restorer.name, restorer.restore(clip)[picks]) for restorer in restorers]
    if clip.frames is not None:
        rows.append(("truth", clip.frames[picks]))
    return image_grid(rows, upscale=2, column_labels=[str(i) for i in picks])


def evaluation_plan(cfg: DictConfig) -> Plan:
    """Return what ``python -m diffmvr.evaluate`` would do.

    Args:
        cfg: the composed ``conf/evaluate.yaml``.

    Raises:
        ValueError: as the evaluation would, if settings contradict each other.
        FileNotFoundError: if the model's folder is missing.
    """
    names = chosen_restorers(cfg.restorers, cfg.restorer_sets)
    built, missing = build_restorers(cfg, names)
    source = instantiate(cfg.data.source)
    indices = _test_clips(cfg, source)
    files = ["scores.parquet", "scores.csv", "table.md", "comparison.png", "run.json", "job.json"]
    if cfg.shard is not None:
        files = ["part of the scores, for diffmvr.merge", "comparison.png", "run.json", "job.json"]
    facts = {
        "data": source.description,
        "clips": f"{len(indices)} of {len({source.subject_ids[i] for i in indices})} people",
        "restorers": ", ".join(built) or "none",
        "absent": "; ".join(f"{name}: {why}" for name, why in missing.items()) or "nobody",
        "frames": f"every clip is restored by {len(built)} and scored",
        "memory": "not estimated: each restorer takes a clip, or a window of it, at a time",
        "time": "unknown: limit=2 times two clips",
    }
    files += [FRAMES_FILE] if cfg.frames else []
    return Plan(facts, Path(cfg.paths.output), files)


@entry_point("evaluate", plan=evaluation_plan)
def main(cfg: DictConfig) -> None:
    """Run ``evaluate`` with the composed configuration, and say how it was made."""
    output, weights = Path(cfg.paths.output), _weights(cfg)
    begun = time.monotonic()
    competing = chosen_restorers(cfg.restorers, cfg.restorer_sets)
    inputs = {"weights": model_hash(weights), **scoring_hashes(cfg, competing)}
    job = open_job(cfg, output, inputs, cfg.ledger)
    if job.skipped:
        return
    with job.claimed():
        evaluate(cfg)
    seconds = time.monotonic() - begun
    save_run_record(run_record(cfg, "evaluate", job.config_hash, seconds, weights=weights), output)


if __name__ == "__main__":
    main()
