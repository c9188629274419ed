"""``python -m diffmvr.pretrain stage=vae output=FOLDER``: train a small part of the base model.

``stage=expression`` trains the network that reads faces, by which restorations are scored.  The
base U-Net itself is trained by ``python -m diffmvr.train --config-name pretrain_unet``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.checks import check_one_of, check_output_dir
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.expression_frames import ExpressionFrames, stack_expression_frames
from diffmvr.data.frames import FrameDataset, stack_frames
from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.files import replace_folder
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.models.state_dicts import load_pretrained
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.runs.facts import command
from diffmvr.runs.process_jobs import run_job
from diffmvr.training.autoencoder import measure_scaling_factor
from diffmvr.training.fitting import Fitted, Training, fit
from diffmvr.training.model_card import write_model_card
from diffmvr.training.trainer import frames_per_step

log = logging.getLogger(__name__)

register_resolvers()

KIND = "pretrain"
SCALING_FRAMES = 512


def pretrain(cfg: DictConfig) -> Path:
    """Train one part, score it on held-out people, and write it with its model card.

    Args:
        cfg: the composed ``conf/pretrain.yaml``.

    Returns:
        The folder of the trained part.

    Raises:
        ValueError: if the stage is unknown, the output folder is not empty, settings contradict
            each other, or the run's folder holds a run with others.
        FileNotFoundError: if the checkpoint is missing.
    """
    check_one_of("stage.kind", cfg.stage.kind, KINDS)
    fit(cfg, KIND, partial(_prepare, cfg))
    return Path(cfg.output)


def _prepare(cfg: DictConfig, trainer: L.Trainer) -> Training:
    kind, output = KINDS[cfg.stage.kind], Path(cfg.output)
    if output.parent != Path(cfg.paths.output):
        # Not of this run: nothing in it is replaced.
        check_output_dir("output", output)
    source, others = instantiate(cfg.source), instantiate(cfg.held_out)
    frames = kind.frames(cfg.stage, source)
    held_out = kind.frames(cfg.stage, others)
    log.info("%d training frames, %d held out", len(frames), len(held_out))
    module = instantiate(cfg.stage.module, _convert_="all")
    order = EpochSeededSampler.of_trainer(len(frames), cfg.batch_size, cfg.seed, trainer)

    def save(fitted: Fitted) -> None:
        # In half precision beside the final name, load back, score, rename.
        part = getattr(module, kind.part)
        if cfg.stage.kind == "vae" and cfg.stage.module.train_encoder:
            part.register_to_config(scaling_factor=_scaling_factor(part, frames))
        with replace_folder(output) as new:
            part.half().save_pretrained(new)
            setattr(module, kind.part, load_pretrained(type(part), new))
            scores = kind.score(module, held_out)
            size = frames_per_step(trainer, cfg.batch_size)
            facts = {
                "command": command(KIND),
                "seed": cfg.seed,
                "data": f"{len(frames)} frames of {source.description}",
                "steps": f"{trainer.global_step} of {size} frames, {fitted.minutes} min, "
                f"{trainer.strategy.root_device.type.upper()}",
                "scored on": f"{len(held_out)} frames of {others.description}; weights as stored "
                "(float16)",
            }
            write_model_card(new, kind.title, facts, scores)
        for name, value in scores.items():
            log.info("%s: %.4g", name, value)
        log.info("the trained part is in %s", output)

    return Training(module, save, output, ClipLoader(frames, order, collate_fn=kind.stack))


def _scaling_factor(vae: Any, frames: FrameDataset) -> float:
    step = max(len(frames) // SCALING_FRAMES, 1)
    images, _ = stack_frames([frames[i] for i in range(0, len(frames), step)])
    return measure_scaling_factor(vae, images)


@torch.no_grad()
def score_autoencoder(module: Any, frames: FrameDataset) -> dict[str, float]:
    """Return the mean PSNR of reconstructing each kind of frame."""
    vae = module.vae
    errors = []
    for first in range(0, len(frames), 64):
        images, _ = stack_frames([frames[i] for i in range(first, min(first + 64, len(frames)))])
        restored = decode_latents(vae, encode_latents(vae, images)).clamp(-1, 1)
        errors.append((restored - images).square().mean(dim=(1, 2, 3)))
    return {"reconstruction PSNR (dB)": float((10 * torch.log10(4 / torch.cat(errors))).mean())}


@torch.no_grad()
def score_contrastive(module: Any, frames: FrameDataset) -> dict[str, float]:
    """Return the top-1 accuracy of finding a frame's caption among 64, chance being 1/64."""
    module.eval()
    hits = []
    # Strided, so that a group holds frames of many people.
    groups = len(frames) // 64
    for group in range(groups):
        images, captions = stack_frames([frames[i] for i in range(group, groups * 64, groups)])
        image_features = F.normalize(module.image_encoder(images, "pooled")[:, 0], dim=-1)
        text_features = F.normalize(module.text_encoder(module._tokenizer(captions)), dim=-1)
        best = (image_features @ text_features.T).argmax(dim=-1)
        hits.append(torch.tensor([captions[b] == captions[i] for i, b in enumerate(best)]))
    return {"caption retrieval, top-1 of 64": float(torch.cat(hits).float().mean())}


@torch.no_grad()
def score_expression(module: Any, frames: ExpressionFrames) -> dict[str, float]:
    """Compare readings with what the renderer drew.

    Returns:
        For each expression R² and the mean absolute error as a share of its range; over all of them
        that error beside that of always saying the median; for the states the share of frames that
        are right beside that of always saying the commonest one.
    """
    network: ExpressionNetwork = module.network
    batches = [
        stack_expression_frames([frames[i] for i in range(first, min(first + 64, len(frames)))])
        for first in range(0, len(frames), 64)
    ]
    readings = [network(batch.pixel_values, batch.similarity) for batch in batches]
    read = torch.cat([reading.expression for reading in readings])
    span = network.high - network.low
    truth = frames.expression
    error = ((read - truth).abs() / span).mean(dim=0)
    floor = ((truth.median(dim=0).values - truth).abs() / span).mean(dim=0)
    unexplained = (read - truth).square().mean(dim=0) / truth.var(dim=0, correction=0)
    scores = {}
    for i, name in enumerate(network.expression_names):
        scores[f"{name}: MAE / range"] = float(error[i])
        scores[f"{name}: R²"] = float(1 - unexplained[i])
    scores["all expressions: MAE / range"] = float(error.mean())
    scores["all expressions: MAE / range of the median"] = float(floor.mean())
    said = torch.cat([reading.state_logits for reading in readings]).argmax(dim=1)
    scores["state: accuracy"] = float((said == frames.state).float().mean())
    commonest = frames.state.bincount().argmax()
    scores["state: accuracy of the commonest"] = float((frames.state == commonest).float().mean())
    return scores


@dataclass(frozen=True)
class Kind:
    """How one kind of part is made.

    Attributes:
        title: of its model card.
        part: name of what is kept of the training module.
        frames: (``cfg.stage``, clips) → the frames it learns from or is scored on.
        stack: frames → batch.
        score: (module, held-out frames) → the scores of the card.
    """

    title: str
    part: str
    frames: Callable[[DictConfig, Any], Any]
    stack: Callable[[Any], Any]
    score: Callable[[Any, Any], dict[str, float]]


def _captioned(stage: DictConfig, source: Any) -> FrameDataset:
    return FrameDataset(source, stage.stride, stage.views)


def _expressive(stage: DictConfig, source: Any) -> ExpressionFrames:
    network = stage.module.network
    return ExpressionFrames(source, stage.stride, network.names, network.ranges, network.states)


KINDS = {
    "vae": Kind("Small autoencoder of diffmvr", "vae", _captioned, stack_frames, score_autoencoder),
    "image_encoder": Kind(
        "Small OpenCLIP vision tower of diffmvr",
        "image_encoder",
        _captioned,
        stack_frames,
        score_contrastive,
    ),
    "expression": Kind(
        "Small reader of rendered faces of diffmvr",
        "network",
        _expressive,
        stack_expression_frames,
        score_expression,
    ),
}


@entry_point(KIND)
def main(cfg: DictConfig) -> None:
    """Run ``pretrain`` with the composed configuration, or by a command of its own."""
    run_job(KIND, pretrain, cfg)


if __name__ == "__main__":
    main()
