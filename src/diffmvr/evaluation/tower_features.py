"""The project's own OpenCLIP tower as the network of a Fréchet distance.

It stands in where Inception's and I3D's weights are not at hand, under its own name: the distances
are ``fd_clip_tiny`` and ``fvd_clip_tiny``, never FID and FVD.
"""

from pathlib import Path

import torch
from torch import Tensor

from diffmvr.files import hash_files
from diffmvr.metrics.extractors import FrameExtractor
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.state_dicts import load_pretrained

WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"


def tower_features(
    folder: str | Path, name: str = "clip_tiny", device: str = "cpu"
) -> FrameExtractor:
    """Return the pooled vector of a saved vision tower as features.

    Args:
        folder: of the saved :class:`~diffmvr.models.guide_encoder.GuideEncoder`.
        name: what the distances are named after.
        device: where the tower runs.

    Raises:
        FileNotFoundError: if the folder holds no tower.
    """
    weights = Path(folder) / WEIGHTS_FILE
    if not weights.is_file():
        raise FileNotFoundError(
            f"no vision tower at {folder}: {WEIGHTS_FILE} is absent; give the folder of a "
            "saved image_encoder"
        )
    tower = load_pretrained(GuideEncoder, Path(folder)).to(device)

    def pooled(frames: Tensor) -> Tensor:
        return tower(frames.to(device, tower.dtype), "pooled")[:, 0].float()

    return FrameExtractor(
        name, tower.config.embed_dim, pooled, hash_files(weights), mean_and_change
    )


def mean_and_change(features: Tensor) -> Tensor:
    """Return what a video shows and how much that changes from frame to frame.

    Args:
        features: ``[T, D]`` of its frames.

    Returns:
        ``[2 D]``: the mean over the frames, and the root mean square of the steps from each frame
        to the next (0 if there is one frame only).
    """
    steps = features.diff(dim=0)
    change = steps.square().mean(dim=0).sqrt() if len(steps) else torch.zeros_like(features[0])
    return torch.cat([features.mean(dim=0), change])
