"""``python -m diffmvr.evaluate``: score restorers on people that no model was trained on.

The run's folder then holds ``table.md``, ``table.csv``, ``scores.parquet`` and ``comparison.png``.
"""

import logging
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.baselines import RESTORERS, get_restorer
from diffmvr.cli import run_cli
from diffmvr.config import config_dir, register_resolvers, weights_dir
from diffmvr.data.splits import first_clips, split_indices
from diffmvr.pipelines.benchmark import (
    AutoencoderCeiling,
    benchmark_table,
    save_table,
    score_restorers,
)
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.restorer import DiffMVRRestorer
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting import Table, image_grid, print_table, save_png, save_rows
from diffmvr.structures import Clip, Restorer

log = logging.getLogger(__name__)

register_resolvers()

SHOWN_FRAMES = 8


def evaluate(cfg: DictConfig) -> Table:
    """Score the named restorers and write what came out.

    Args:
        cfg: the composed ``conf/evaluate.yaml``.

    Raises:
        ValueError: if a restorer is unknown or the reference does not compete.
        FileNotFoundError: if the model's folder is missing.
    """
    torch.set_num_threads(cfg.threads)
    output = Path(cfg.paths.output)
    if cfg.reference not in cfg.restorers:
        raise ValueError(
            f"reference: {cfg.reference!r} is not among restorers={list(cfg.restorers)}"
        )
    restorers = _restorers(cfg)
    source = instantiate(cfg.data.source)
    test = split_indices(source.subject_ids, list(cfg.data.fractions))["test"]
    indices = first_clips(test, source.subject_ids, cfg.clips_per_subject)[: cfg.limit]
    clips = (source[index] for index in indices)
    rows = score_restorers(restorers, clips, cfg.seed, cfg.mask.type, total=len(indices))
    reference = restorers[list(cfg.restorers).index(cfg.reference)].name
    table = benchmark_table(rows, reference)
    save_rows(rows, output / "scores")
    save_table(table, output)
    save_png(_comparison(source[indices[0]], restorers), output / "comparison.png")
    print_table(table)
    log.info("written to %s", output)
    return table


def _restorers(cfg: DictConfig) -> list[Restorer]:
    ours = {"diffmvr", "autoencoder"}
    for name in cfg.restorers:
        if name not in ours and name not in RESTORERS:
            raise ValueError(
                f"restorers: expected some of {sorted(ours | set(RESTORERS))}, got {name!r}"
            )
    model: dict[str, Restorer] = {}
    if ours & set(cfg.restorers):
        pipeline: Any = DiffMVRPipeline.from_pretrained(
            cfg.weights or weights_dir() / "diffmvr-tiny"
        )
        guides = AutomaticGuides(
            pipeline.guide_kinds, cfg.preprocessing.clear_threshold, cfg.preprocessing.align_past
        )
        model["diffmvr"] = DiffMVRRestorer(
            pipeline, guides, num_inference_steps=cfg.num_inference_steps, seed=cfg.seed
        )
        model["autoencoder"] = AutoencoderCeiling(pipeline)
    return [model[name] if name in model else get_restorer(name) for name in cfg.restorers]


def _comparison(clip: Clip, restorers: list[Restorer]) -> Any:
    """Return a grid: occluded, every restorer, truth."""
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    picks = hidden[np.linspace(0, len(hidden) - 1, min(SHOWN_FRAMES, len(hidden))).astype(int)]
    rows = [("occluded", clip.observed[picks])]
    rows += [(restorer.name, restorer.restore(clip)[picks]) for restorer in restorers]
    if clip.frames is not None:
        rows.append(("truth", clip.frames[picks]))
    return image_grid(rows, upscale=2, column_labels=[str(i) for i in picks])


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="evaluate")
@run_cli
def main(cfg: DictConfig) -> None:
    """Run ``evaluate`` with the composed configuration."""
    evaluate(cfg)


if __name__ == "__main__":
    main()
