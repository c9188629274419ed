"""``python -m diffmvr.pretrain stage=vae``: train the small parts that the base model is made of.

The base U-Net itself is trained by ``python -m diffmvr.train --config-name pretrain_unet``.
"""

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import hydra
import lightning as L
import torch
import torch.nn.functional as F
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import RichProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from diffmvr.checks import check_output_dir
from diffmvr.cli import run_cli
from diffmvr.config import config_dir
from diffmvr.data.frames import FrameDataset, stack_frames
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.training.autoencoder import measure_scaling_factor
from diffmvr.training.model_card import write_model_card

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
    check_output_dir("output", output)
    torch.set_num_threads(cfg.threads)
    L.seed_everything(cfg.seed, verbose=False)

    # 1. Render.
    frames = FrameDataset(instantiate(cfg.source), cfg.stage.stride, cfg.stage.views)
    held_out = FrameDataset(instantiate(cfg.held_out), cfg.stage.stride, cfg.stage.views)
    log.info("%d training frames, %d held out", len(frames), len(held_out))

    # 2. Train.
    module = instantiate(cfg.stage.module, _convert_="all")
    loader = DataLoader(
        frames, cfg.batch_size, shuffle=True, drop_last=True, collate_fn=stack_frames
    )
    limit = {"minutes": cfg.max_minutes} if cfg.max_minutes else None
    start = time.monotonic()
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=cfg.max_steps,
        max_epochs=-1,
        callbacks=[RichProgressBar(), Timer(limit)],
        logger=CSVLogger(HydraConfig.get().runtime.output_dir, "", ""),
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    minutes = (time.monotonic() - start) / 60

    # 3. Save in half precision beside the final name, load back, score, rename.
    part = module.vae if cfg.stage.kind == "vae" else module.image_encoder
    if cfg.stage.kind == "vae" and cfg.stage.module.train_encoder:
        part.register_to_config(scaling_factor=_scaling_factor(part, frames))
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    part.half().save_pretrained(partial)
    scored = type(part).from_pretrained(partial, low_cpu_mem_usage=False).eval()
    if cfg.stage.kind == "vae":
        scores = score_autoencoder(scored, held_out)
        title = "Small autoencoder of diffmvr"
    else:
        module.image_encoder = scored
        scores = score_contrastive(module, held_out)
        title = "Small OpenCLIP vision tower of diffmvr"
    facts = {
        "command": f"python -m diffmvr.pretrain stage={cfg.stage.kind}",
        "seed": cfg.seed,
        "data": f"{len(frames)} rendered frames of {cfg.source.subjects} people "
        f"(renderer seed {cfg.source.seed})",
        "steps": f"{trainer.global_step} of {cfg.batch_size} frames, {minutes:.0f} min, CPU",
        "scored on": f"{len(held_out)} frames of {cfg.held_out.subjects} other people "
        f"(renderer seed {cfg.held_out.seed}), weights as stored (float16)",
    }
    write_model_card(partial, title, facts, scores)
    output.rmdir()
    partial.rename(output)
    log.info("%s: %s", output, scores)
    return output


def _scaling_factor(vae: Any, frames: FrameDataset) -> float:
    step = max(len(frames) // SCALING_FRAMES, 1)
    images, _ = stack_frames([frames[i] for i in range(0, len(frames), step)])
    return measure_scaling_factor(vae, images)


@torch.no_grad()
def score_autoencoder(vae: Any, frames: FrameDataset) -> dict[str, float]:
    """Return the mean PSNR of reconstructing each kind of frame."""
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


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="pretrain")
@run_cli
def main(cfg: DictConfig) -> None:
    """Run ``pretrain`` with the composed configuration."""
    pretrain(cfg)


if __name__ == "__main__":
    main()
