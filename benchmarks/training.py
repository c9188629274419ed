"""One training step, stage by stage, with the frozen parts and from a cache of encodings."""

import time
from collections import defaultdict
from itertools import pairwise
from typing import Any

import torch
from benchmarks.models import Case, random_frames
from benchmarks.timing import PeakMemory, measure, spread, synchronize
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.components import recompute_activations
from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.module import DiffMVRModule

STAGES = ("encode", "forward", "backward", "optimizer")
"""``encode`` is the autoencoder and the towers; a step from a cache is the other three."""


def training(
    case: Case,
    batch: int,
    repeats: int,
    warmup: int,
    checkpointed: bool = False,
) -> dict[str, Any]:
    """Time a training step of the paper's DiffMVR: ``batch`` frames of one clip, Adam.

    Returns:
        A row: the whole step from pictures and from encodings, then its stages.
    """
    step = _Step(case, batch)
    recompute_activations(case.components, checkpointed)
    with PeakMemory(case.device) as memory:
        pictures = measure(step.from_pictures, repeats, warmup, case.device)
        # Once its moments exist, what Adam needs is constant.
        cached = measure(step.from_encodings, repeats, warmup, case.device)
    spent: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for stage, seconds in step.timed().items():
            spent[stage].append(seconds)
    return {
        **case.described(),
        "batch": batch,
        "gradient_checkpointing": checkpointed,
        **pictures,
        "images_per_second": batch / pictures["seconds"]["median"],
        "from_cache": cached,
        "images_per_second_from_cache": batch / cached["seconds"]["median"],
        "stages": {stage: spread(spent[stage]) for stage in STAGES},
        "peak_memory_mib": memory.mib,
    }


class _Step:
    """A training step in its parts, as Lightning would run them."""

    def __init__(self, case: Case, batch: int) -> None:
        self._case = case
        self._module = _module(case).train()
        self._optimizer = self._module.configure_optimizers()["optimizer"]
        pixel_values, mask, guides, valid = random_frames(case, batch)
        self._batch = ClipBatch(
            pixel_values=pixel_values[None],
            mask=mask[None],
            guide_pixel_values=guides[None],
            guide_valid=valid[None],
            frame_index=torch.arange(batch)[None],
            clip_id=("random",),
            subject_id=("random",),
            observed_pixel_values=pixel_values[None],
            similarity=torch.eye(2, 3).expand(1, batch, 2, 3),
        )
        self._encoded = self.encode()

    def encode(self) -> EncodedBatch:
        """Run the frozen parts."""
        with self._case.precision():
            return self._module.encoder(self._batch)

    def forward(self, encoded: EncodedBatch) -> torch.Tensor:
        """Return L_diff + λ · L_motion."""
        generator = torch.Generator().manual_seed(0)
        with self._case.precision():
            losses = self._module.losses(encoded, generator)
        return losses["denoising"] + self._module.motion.weight * losses["motion"]

    def update(self) -> None:
        """Step the optimizer."""
        torch.nn.utils.clip_grad_norm_(self._module.trainable_parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def from_pictures(self) -> None:
        """Take a whole step."""
        self.forward(self.encode()).backward()
        self.update()

    def from_encodings(self) -> None:
        """Take a step from what a cache of encodings holds."""
        self.forward(self._encoded).backward()
        self.update()

    def timed(self) -> dict[str, float]:
        """Take a step and return the seconds of its stages."""
        marks = [self._now()]
        encoded = self.encode()
        marks.append(self._now())
        loss = self.forward(encoded)
        marks.append(self._now())
        loss.backward()
        marks.append(self._now())
        self.update()
        marks.append(self._now())
        seconds = [after - before for before, after in pairwise(marks)]
        return dict(zip(STAGES, seconds, strict=True))

    def _now(self) -> float:
        synchronize(self._case.device)
        return time.perf_counter()


def _module(case: Case) -> DiffMVRModule:
    """Return what ``experiment=dual_motion model=sd15`` trains, with the case's networks."""
    register_resolvers()
    overrides = ["experiment=dual_motion", "model=sd15"]
    overrides += [f"model.optimizer.fused={case.device.type == 'cuda'}"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", overrides)
    build = instantiate(cfg.model, components=None, _partial_=True, _convert_="all")
    module: DiffMVRModule = build(components=case.components)
    return module
