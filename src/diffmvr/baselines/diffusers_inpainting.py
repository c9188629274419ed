"""Stabilityai, Runwayml and what is tuned from them: text-guided inpainting, frame by frame.

Paper 4.2: "we independently inpaint each frame", with the prompt "remove hands" (Figure 3).
Legend: T frames, N frames of one call, H × W pixels of the clip, h × w of the model.
"""

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffmvr.baselines.inpainting_checkpoints import load_inpainting_pipeline, locate_weights
from diffmvr.baselines.resizing import resize_images, resize_occluded, working_size
from diffmvr.checks import check_number, check_one_of
from diffmvr.models.device import choose_device
from diffmvr.structures import Clip, UInt8Array, check_finite_frames

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class DiffusersInpainting:
    """A Stable Diffusion inpainting checkpoint behind the ``Restorer`` interface.

    Each frame with a hole is scaled to the model's resolution, inpainted and scaled back; what was
    visible stays the clip's own, bit for bit.  Every frame of a clip starts from the same noise,
    which is drawn once a clip: fresh noise in each would add flicker that is not the model's.

    Args:
        name: in the tables.
        weights: folder, ``.safetensors`` file or cached hub id (``locate_weights``).
        hub_id: of the published weights.
        made_by: command that makes the weights, where nobody publishes them.
        configs: folder of settings and tokenizer that a single file needs.
        prompt: what is asked for.
        negative_prompt: what is not.
        resolution: short side at which the model works, in pixels.
        num_inference_steps: denoising steps of the checkpoint's own scheduler.
        guidance_scale: of classifier-free guidance; 1 turns it off.
        seed: noise seed.
        batch_size: frames of one call.
        device: ``auto`` (the GPU if there is one) or torch's name of a device.
        dtype: ``auto`` (half precision on a GPU) or one of ``DTYPES``.

    Raises:
        WeightsNotPresentError: if the weights are not there; nothing is downloaded.
        ValueError: if they are of another kind, or a setting is out of range.
    """

    def __init__(
        self,
        name: str,
        weights: str | Path | None = None,
        hub_id: str | None = None,
        made_by: str | None = None,
        configs: str | Path | None = None,
        prompt: str = "remove hands",
        negative_prompt: str = "",
        resolution: int = 512,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        seed: int = 0,
        batch_size: int = 4,
        device: str = "auto",
        dtype: str = "auto",
    ) -> None:
        check_number("resolution", resolution, 8, 8192)
        check_number("num_inference_steps", num_inference_steps, 1, 1000)
        check_number("guidance_scale", guidance_scale, 1.0, 100.0)
        check_number("batch_size", batch_size, 1, 1024)
        check_one_of("dtype", dtype, ("auto", *DTYPES))
        path = locate_weights(f"baselines.{name}.weights", weights, hub_id, made_by)
        target = choose_device(device)
        if dtype == "auto":
            dtype = "float32" if target.type == "cpu" else "float16"
        pipeline = load_inpainting_pipeline(path, configs, hub_id)
        pipeline.set_progress_bar_config(disable=True)
        self.name = name
        self._pipeline = pipeline.to(target, DTYPES[dtype])
        self._prompt = prompt
        self._negative_prompt = negative_prompt
        self._resolution = resolution
        self._steps = num_inference_steps
        self._guidance_scale = guidance_scale
        self._seed = seed
        self._batch_size = batch_size

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        restored = clip.observed.copy()
        hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
        noise_seed = zlib.crc32(f"{self._seed}:{clip.clip_id}".encode())
        for first in range(0, len(hidden), self._batch_size):
            frames = hidden[first : first + self._batch_size]
            mask = clip.mask[frames]
            filled = self._inpaint(clip, frames, noise_seed)
            restored[frames] = np.where(mask[..., None] > 0, filled, clip.observed[frames])
        return restored

    def _inpaint(self, clip: Clip, frames: NDArray[np.int64], noise_seed: int) -> UInt8Array:
        """Return ``[N, H, W, 3]`` uint8 frames as the model paints them, visible parts included."""
        images, masks = clip.observed[frames], clip.mask[frames]
        height, width = images.shape[1:3]
        size = working_size(height, width, self._resolution, self._pipeline.vae_scale_factor)
        pictures, holes = resize_occluded(images, masks, size)
        count = len(images)
        output = self._pipeline(
            prompt=[self._prompt] * count,
            negative_prompt=[self._negative_prompt] * count,
            image=torch.from_numpy(pictures).movedim(-1, 1).float() / 255.0,
            mask_image=torch.from_numpy(holes)[:, None].float(),
            height=size[0],
            width=size[1],
            num_inference_steps=self._steps,
            guidance_scale=self._guidance_scale,
            # On the CPU, so that every device draws the same.
            generator=[torch.Generator().manual_seed(noise_seed) for _ in range(count)],
            output_type="np",
        )
        numbers, source = clip.frame_index[frames].tolist(), f"{self.name}, clip {clip.clip_id}"
        check_finite_frames(torch.from_numpy(output.images), numbers, source)
        painted = np.round(255.0 * np.clip(output.images, 0.0, 1.0)).astype(np.uint8)
        return resize_images(painted, (height, width))
