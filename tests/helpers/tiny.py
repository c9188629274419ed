"""A real DiffMVR at a very small size: random weights, a second to build, seeded.

32 × 32 frames, 4 × 8 × 8 latents (f = 4), a tower with 4 patches.  With ``sample_size=16`` the same
parts are for 64 × 64 frames, the smallest the renderer draws.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DConditionModel
from diffusers.optimization import get_constant_schedule_with_warmup
from tests.helpers.clips import SIDE, TextureClips, smooth_texture, tiny_clip
from torch import nn

from diffmvr.data.datamodule import ClipDataModule
from diffmvr.losses import DenoisingLoss, MotionConsistencyLoss
from diffmvr.models.components import Components, build_components
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, ClipBatch, Guides, collate_clips, to_pixel_values
from diffmvr.training.module import DiffMVRModule

LATENT_CHANNELS = 4
FACTOR = 4
CROSS_ATTENTION_DIM = 32

UNET: dict[str, Any] = {
    "sample_size": SIDE // FACTOR,
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": CROSS_ATTENTION_DIM,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}


def tiny_scheduler(prediction_type: str = "v_prediction") -> DDIMScheduler:
    """The noise schedule of the small model."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0008,
        beta_end=0.0145,
        beta_schedule="scaled_linear",
        clip_sample=False,
        timestep_spacing="trailing",
        prediction_type=prediction_type,
    )


def save_frozen_parts(folder: Path) -> Path:
    """Write ``vae/`` and ``image_encoder/`` with random weights."""
    torch.manual_seed(1)
    vae = AutoencoderDC(
        latent_channels=LATENT_CHANNELS,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(8, 16, 16),
        decoder_block_out_channels=(8, 16, 16),
        encoder_layers_per_block=(0, 1, 1),
        decoder_layers_per_block=(0, 1, 1),
        encoder_qkv_multiscales=((), (), ()),
        decoder_qkv_multiscales=((), (), ()),
        scaling_factor=0.8,
    )
    vae.save_pretrained(folder / "vae")
    encoder = GuideEncoder(
        image_size=32, patch_size=16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16
    )
    encoder.save_pretrained(folder / "image_encoder")
    return folder


def build_tiny(
    frozen: Path,
    guide: GuideSettings | None = None,
    prediction_type: str = "v_prediction",
    sample_size: int = SIDE // FACTOR,
    seed: int = 2,
) -> Components:
    """Put a seeded random U-Net and projectors on the frozen parts in a folder."""
    torch.manual_seed(seed)
    components = build_components(
        vae=frozen / "vae",
        image_encoder=frozen / "image_encoder",
        unet={**UNET, "sample_size": sample_size},
        scheduler=tiny_scheduler(prediction_type),
        guide=guide or GuideSettings(),
    )
    components.unet.eval()
    components.projector.eval()
    return components


def plain_unet(in_channels: int, seed: int = 3) -> UNet2DConditionModel:
    """A diffusers U-Net without guides: what Stable Diffusion's is, at the small size."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        in_channels=in_channels, out_channels=LATENT_CHANNELS, **UNET
    ).eval()


def smooth_images(count: int, seed: int = 0) -> torch.Tensor:
    """Blurred random textures, ``[N, 3, SIDE, SIDE]`` in [-1, 1]."""
    images = [smooth_texture(SIDE, SIDE, seed + index) for index in range(count)]
    return to_pixel_values(np.stack(images))


def random_guides(clip: Clip, kinds: int = 2, seed: int = 0) -> Guides:
    """Random guide images; the last guide does not exist in the first frame."""
    rng = np.random.default_rng(seed)
    length, height, width, _ = clip.observed.shape
    valid = np.ones((length, kinds), bool)
    valid[0, -1] = False
    images = rng.integers(0, 256, (length, kinds, height, width, 3), dtype=np.uint8)
    return Guides(images, valid, np.where(valid[:, -1], 0, -1).astype(np.int64))


def tiny_batch(clips: int = 2, frames: int = 4, kinds: int = 2, seed: int = 0) -> ClipBatch:
    """Whole small clips with random guides."""
    samples = [tiny_clip(seed=seed + index, frames=frames) for index in range(clips)]
    return collate_clips(
        [(clip, random_guides(clip, kinds, index)) for index, clip in enumerate(samples)]
    )


def tiny_module(frozen: Path, guide: GuideSettings | None = None, **changes: Any) -> DiffMVRModule:
    """A module ready to train, with every source of randomness of the real one switched on."""
    components = build_tiny(frozen, guide or GuideSettings(pathway="both"))
    components.projector.register_to_config(dropout=0.3)
    components.projector.train()
    components.unet.train()
    arguments: dict[str, Any] = {
        "denoising": DenoisingLoss(),
        "motion": MotionConsistencyLoss(weight=0.1),
        "optimizer": partial(torch.optim.Adam, lr=1e-3),
        "lr_scheduler": partial(get_constant_schedule_with_warmup, num_warmup_steps=2),
        "guide_latent_dropout": 0.3,
    }
    return DiffMVRModule(components, **{**arguments, **changes})


def tiny_datamodule(clips: int = 12, **changes: Any) -> ClipDataModule:
    """Moving textures in windows of two frames, eight frames a batch."""
    arguments: dict[str, Any] = {
        "source": TextureClips(clips),
        "guide_builder": AutomaticGuides(align_past="similarity"),
        "batch_frames": 8,
        "window": 2,
        "val_clips": 1,
    }
    return ClipDataModule(**{**arguments, **changes})


def tiny_trainer(
    folder: Path, max_steps: int, callbacks: Sequence[L.Callback] = (), **changes: Any
) -> L.Trainer:
    """The CPU trainer of ``conf/trainer``, without bars and loggers."""
    arguments: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_steps": max_steps,
        "max_epochs": -1,
        "gradient_clip_val": 1.0,
        "val_check_interval": 2,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
        "use_distributed_sampler": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "enable_checkpointing": any(
            isinstance(callback, L.pytorch.callbacks.Checkpoint) for callback in callbacks
        ),
        "logger": False,
        "default_root_dir": folder,
    }
    return L.Trainer(callbacks=list(callbacks), **{**arguments, **changes})


def digest(tensor: torch.Tensor) -> str:
    """A short name of a tensor's bytes."""
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()[:12]


def fingerprint(module: nn.Module) -> dict[str, str]:
    """The digest of every parameter and buffer."""
    return {name: digest(value) for name, value in module.state_dict().items()}
