"""LaMa (Suvorov et al., WACV 2022), frame by frame, with the public big-lama weights.

Two kinds of files are read.  **TorchScript**: ``big-lama.pt``, which restoration tools such as
IOPaint pass around: ``model(image [1, 3, H, W] in 0..1, mask [1, 1, H, W] 0/1)`` returns the filled
image (``iopaint/model/lama.py`` of ``Sanster/IOPaint``; made by ``bin/to_jit.py`` of
``advimman/lama``).  Such a file is a program, so it is run only if it is said to be trusted.  **A
state dict**, as safetensors or as plain tensors that ``torch.load(weights_only=True)`` accepts,
with the names of the public checkpoint: it is loaded into this project's own network.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diffmvr.baselines.filling import fill_holes
from diffmvr.baselines.padding import pad_to_multiple
from diffmvr.baselines.resizing import resize_images, resize_occluded, working_size
from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.device import choose_device
from diffmvr.models.fourier_inpainter import FourierInpainter
from diffmvr.parsing import user_path
from diffmvr.published_weights import published_weights
from diffmvr.structures import Clip, UInt8Array, check_finite_frames
from diffmvr.tensor_files import is_torchscript, read_tensors, run_torchscript

KEY = "baselines.lama.weights"
MULTIPLE = 8
"""Sides that a TorchScript file of unknown depth takes: those of big-lama."""

Fill = Callable[[Tensor, Tensor], Tensor]
"""(image ``[1, 3, H, W]`` in [0, 1], mask ``[1, 1, H, W]`` 0/1) → image ``[1, 3, H, W]``."""


class LaMa:
    """LaMa behind the ``Restorer`` interface; each frame with a hole is filled by itself.

    Args:
        weights: a TorchScript file or a state dict; see the module's description.
        trusted: whether a TorchScript file may be run.
        resolution: short side at which LaMa works, in pixels; ``None``: the clip's own.
        device: ``auto`` (the GPU if there is one) or torch's name of a device.

    Raises:
        WeightsNotPresentError: if there is no such file; the message says where to get it.
        ValueError: if the file is of another kind, or a program that is not trusted.
    """

    name = "lama"

    def __init__(
        self,
        weights: str | Path | None = None,
        trusted: bool = False,
        resolution: int | None = None,
        device: str = "auto",
    ) -> None:
        path = None if weights is None else user_path(weights)
        if path is None or not path.is_file():
            published = published_weights()["lama"]
            target = path or published.place
            raise WeightsNotPresentError(
                f"weights not present: {f'{KEY}=null' if path is None else path}; "
                f"{published.remedy(target)}, then give {KEY}={target} and, if you trust it, "
                "baselines.lama.trusted=true"
            )
        self.resolution = resolution
        self.device = choose_device(device)
        self._fill, self._multiple = _load(path, trusted, self.device)

    @torch.no_grad()
    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        return fill_holes(clip, lambda t: self._restore(clip, t))

    def _restore(self, clip: Clip, t: int) -> UInt8Array:
        """Fill one frame, ``[H, W, 3]``."""
        frame, mask = clip.observed[t], clip.mask[t]
        size = (frame.shape[0], frame.shape[1])
        frames, masks = frame[None], mask[None]
        if self.resolution is not None:
            working = working_size(*size, self.resolution)
            frames, masks = resize_occluded(frames, masks, working)
        height, width = frames.shape[1:3]
        padded = pad_to_multiple(frames, self._multiple)
        image = torch.from_numpy(padded).to(self.device).permute(0, 3, 1, 2).float() / 255
        hidden = torch.from_numpy(pad_to_multiple(masks != 0, self._multiple)).to(self.device)
        filled = self._fill(image, hidden[:, None].float())
        check_finite_frames(filled, [int(clip.frame_index[t])], f"lama, clip {clip.clip_id}")
        pixels = filled[:, :, :height, :width].clamp(0, 1).mul(255).round().to(torch.uint8)
        return resize_images(pixels.permute(0, 2, 3, 1).cpu().numpy(), size)[0]


def _load(path: Path, trusted: bool, device: torch.device) -> tuple[Fill, int]:
    """Return what fills an image, and the multiple that its sides have to be."""
    if is_torchscript(path):
        return run_torchscript(path, trusted, "baselines.lama.trusted", device), MULTIPLE
    try:
        weights = read_tensors(path)
    except ValueError as error:
        raise ValueError(f"{KEY}: {error}") from error
    try:
        network = FourierInpainter.from_weights(weights)
    except ValueError as error:
        raise ValueError(f"{KEY}: {path}: {error}") from error
    network.to(device)
    return network.fill, network.multiple
