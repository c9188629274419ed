"""Restoring frames, stage by stage: guides, autoencoder, towers, U-Net and compositing."""

import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from benchmarks.models import Case, random_frames
from benchmarks.timing import PeakMemory, StageClock, measure, spread, synchronize
from numpy.typing import NDArray

from diffmvr.data.synthetic import render_clip
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import UInt8Array, to_uint8

STAGES = ("vae_encode", "guide_towers", "projector", "unet", "vae_decode", "compositing", "rest")
"""``rest`` is the scheduler, the arguments' checks and what the pipeline does around the parts."""


def sampling(case: Case, batch: int, steps: int, repeats: int, warmup: int) -> dict[str, Any]:
    """Time the restoration of ``batch`` frames that all have a hole.

    Returns:
        A row: the whole without a clock in it, then the stages as the clock saw them in further
        repeats.
    """
    pipeline = DiffMVRPipeline.from_components(case.components)
    pipeline.set_progress_bar_config(disable=True)
    frames = random_frames(case, batch)
    compositing = _Compositing(frames[0], frames[1])

    def restore() -> None:
        generator = torch.Generator().manual_seed(0)
        with case.precision():
            output = pipeline(*frames, num_inference_steps=steps, generator=generator)
        compositing.put_back(output.pixel_values)

    with PeakMemory(case.device) as memory:
        whole = measure(restore, repeats, warmup, case.device)

    clock, parts = StageClock(case.device), case.components
    clock.add("vae_encode", parts.vae, "encode")
    for encoder in {id(encoder): encoder for encoder in parts.image_encoders}.values():
        clock.add("guide_towers", encoder)
    clock.add("projector", parts.projector)
    clock.add("unet", parts.unet)
    clock.add("vae_decode", parts.vae, "decode")
    clock.add("compositing", compositing, "put_back")
    spent: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        with clock.running():
            start = time.perf_counter()
            restore()
            synchronize(case.device)
            total = time.perf_counter() - start
        for stage, seconds in clock.spent.items():
            spent[stage].append(seconds)
        spent["rest"].append(total - sum(clock.spent.values()))
    return {
        **case.described(),
        "batch": batch,
        "steps": steps,
        **whole,
        "frames_per_second": batch / whole["seconds"]["median"],
        "stages": {stage: spread(spent[stage]) for stage in STAGES},
        "peak_memory_mib": memory.mib,
    }


class _Compositing:
    """What ``CropRestorer`` does with the pipeline's frames."""

    def __init__(self, pixel_values: torch.Tensor, mask: torch.Tensor) -> None:
        self._observed = to_uint8(pixel_values)
        self._hidden: NDArray[np.bool_] = mask[:, 0, ..., None].cpu().numpy() > 0

    def put_back(self, pixel_values: torch.Tensor) -> UInt8Array:
        """Round to 8 bits, and keep the observed pixels outside the hole bit for bit."""
        return np.where(self._hidden, to_uint8(pixel_values), self._observed)


def guide_images(size: int, frames: int, repeats: int, warmup: int) -> list[dict[str, Any]]:
    """Time how the guides of a rendered clip are found: the mirrored and the past frame.

    Args:
        size: side of the frames.
        frames: length of the clip.
        repeats: measurements.
        warmup: calls before.

    Returns:
        A row for each kind of guide, the past frame once for each way it can be carried.
    """
    clip = render_clip(0, 0, 0, size=size, num_frames=frames)
    cpu, rows = torch.device("cpu"), []
    for kind, alignment in (
        ("symmetric", "none"),
        ("past", "none"),
        ("past", "similarity"),
        ("past", "flow"),
        ("past", "layers"),
    ):
        builder = AutomaticGuides((kind,), align_past=alignment)
        timing = measure(lambda builder=builder: builder(clip), repeats, warmup, cpu)
        name = kind if kind == "symmetric" else f"past ({alignment})"
        rate = frames / timing["seconds"]["median"]
        rows.append({"guide": name, "pixels": size, **timing, "frames_per_second": rate})
    return rows
