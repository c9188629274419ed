"""``python -m diffmvr.pretrain stage=vae output=FOLDER``: train a small part of the base model.

``stage=expression`` trains the network that reads faces, by which restorations are scored.  The
base U-Net itself is trained by ``python -m diffmvr.train --config-name pretrain_unet``.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from diffmvr.checks import check_one_of, check_output_dir
from diffmvr.cli import entry_point
from diffmvr.data.expression_frames import ExpressionFrames, stack_expression_frames
from diffmvr.data.frames import FrameDataset, stack_frames
from diffmvr.files import replace_folder
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.models.state_dicts import load_pretrained
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.quiet import quiet_lightning
from diffmvr.training.autoencoder import measure_scaling_factor
from diffmvr.training.model_card import write_model_card
from diffmvr.training.progress_callback import TrainingProgress

log = logging.getLogger(__name__)

SCALING_FRAMES = 512


def pretrain(cfg: DictConfig) -> Path:
    """Train one part, score it on held-out people, and write it with its model card.

    Args:
        cfg: the composed ``conf/pretrain.yaml``.

    Returns:
        The folder of the trained part.

    Raises:
        ValueError: if the output folder is not empty or the stage is unknown.
    """
    output = Path(cfg.output)
    check_one_of("stage.kind", cfg.stage.kind, KINDS)
    kind = KINDS[cfg.stage.kind]
    check_output_dir("output", output)
    torch.set_num_threads(cfg.threads)
    L.seed_everything(cfg.seed, verbose=False)

    log.info("the trained part will be in %s", output)

    # 1. Render.
    frames = kind.frames(cfg.stage, instantiate(cfg.source))
    held_out = kind.frames(cfg.stage, instantiate(cfg.held_out))
    log.info("%d training frames, %d held out", len(frames), len(held_out))

    # 2. Train.
    module = instantiate(cfg.stage.module, _convert_="all")
    loader = DataLoader(frames, cfg.batch_size, shuffle=True, drop_last=True, collate_fn=kind.stack)
    limit = {"minutes": cfg.max_minutes} if cfg.max_minutes else None
    start = time.monotonic()
    quiet_lightning()
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=cfg.max_steps,
        max_epochs=-1,
        callbacks=[TrainingProgress(), Timer(limit)],
        enable_progress_bar=False,
        logger=CSVLogger(HydraConfig.get().runtime.output_dir, "", ""),
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    minutes = (time.monotonic() - start) / 60

    # 3. Save in half precision beside the final name, load back, score, rename.
    part = getattr(module, kind.part)
    if cfg.stage.kind == "vae" and cfg.stage.module.train_encoder:
        part.register_to_config(scaling_factor=_scaling_factor(part, frames))
    with replace_folder(output) as new:
        part.half().save_pretrained(new)
        setattr(module, kind.part, load_pretrained(type(part), new))
        scores = kind.score(module, held_out)
        facts = {
            "command": _command(),
            "seed": cfg.seed,
            "data": f"{len(frames)} rendered frames of {cfg.source.subjects} people "
            f"(renderer seed {cfg.source.seed})",
            "steps": f"{trainer.global_step} of {cfg.batch_size} frames, {minutes:.0f} min, CPU",
            "scored on": f"{len(held_out)} frames of {cfg.held_out.subjects} other people "
            f"(renderer seed {cfg.held_out.seed}), weights as stored (float16)",
        }
        write_model_card(new, kind.title, facts, scores)
    log.info("%s: %s", output, scores)
    return output


def _command() -> str:
    """Return what was typed, without the folder it was written to."""
    overrides = HydraConfig.get().overrides.task
    kept = [item for item in overrides if not item.startswith("output=")]
    return " ".join(["python -m diffmvr.pretrain", *kept])


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


@entry_point("pretrain")
def main(cfg: DictConfig) -> None:
    """Run ``pretrain`` with the composed configuration."""
    pretrain(cfg)


if __name__ == "__main__":
    main()
