"""The full-size path with real memory: ``python experiments/full_size.py``.

Writes random weights of Stable Diffusion 1.5 and OpenCLIP ViT-L/14 in the layouts they are
published in (half precision), loads them as a user would (``model=sd15``), restores one small
frame, takes one training step with gradient checkpointing if there is memory for it, and writes
seconds, peak memory and parameter counts to ``experiments/results/full_size.json``.  The weights
are removed after.  The step is plain gradient descent: Adam would do the same with 7 GiB more.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from safetensors.torch import save_file
from torch import Tensor, nn

from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.open_clip_weights import CONFIG_NAME, WEIGHTS_NAME, tower_settings
from diffmvr.models.stable_diffusion import SCHEDULER_CONFIG, UNET_CONFIG, VAE_CONFIG
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.runs.facts import machine, package_versions
from diffmvr.structures import ClipBatch
from diffmvr.training.module import DiffMVRModule

GIB = 2**30
SEED = 0
TOWER = "ViT-L-14"
# Weights and gradients in float32, and room for the rest.
TRAINING_GIB = 13


def main() -> None:
    """Run the proof and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--side", type=int, default=64, help="pixels; a multiple of 64")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results" / "full_size.json"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    folder = Path(tempfile.mkdtemp(prefix="full-size-", dir=arguments.scratch))
    try:
        figures = prove(folder, arguments.side)
    finally:
        shutil.rmtree(folder)
    arguments.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def prove(folder: Path, side: int) -> dict[str, Any]:
    """Write, load, restore and train; return what was measured."""
    stages: dict[str, Any] = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        start = time.monotonic()
        result = function()
        stages[name] = {
            "seconds": round(time.monotonic() - start, 1),
            "peak_rss_gib": round(peak_rss(), 2),
        }
        return result

    timed("write", lambda: write_weights(folder))
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    module: DiffMVRModule = timed("load", lambda: load(folder))
    components = module.components
    batch = frames(side, len(components.guide.kinds))
    restored = timed("restore", lambda: restore(module, batch, side))
    if not torch.isfinite(restored).all():
        raise RuntimeError("the restored frame is not finite")
    free = available_gib()
    if free >= TRAINING_GIB:
        loss = timed("train", lambda: train_step(module, batch))
        stages["train"]["loss"] = round(loss, 4)
    else:
        stages["train"] = f"not run: {free:.1f} GiB free, {TRAINING_GIB} needed"
    parts = {
        "unet": components.unet,
        "projector": components.projector,
        "vae": components.vae,
        "tower": components.image_encoders[0],
    }
    return {
        "command": f"python experiments/full_size.py --side {side}",
        "weights": "random, in half precision, in the published layouts",
        "base": "Stable Diffusion 1.5 (4 channels, widened to 9)",
        "tower": TOWER,
        "guides": list(components.guide.kinds),
        "seed": SEED,
        "side": side,
        "frames": {"restore": 1, "train": 2},
        "runs": 1,
        "optimizer": "gradient descent, without state",
        "parameters": {name: count(part) for name, part in parts.items()},
        "weights_gib_on_disk": round(size / GIB, 2),
        "stages": stages,
        "machine": machine(),
        "versions": package_versions(),
    }


def write_weights(folder: Path) -> None:
    """Write ``base/`` as diffusers lays it out, and ``tower/`` as OpenCLIP does."""
    base, tower = folder / "base", folder / "tower"
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET_CONFIG)
        vae = AutoencoderKL(**{k: v for k, v in VAE_CONFIG.items() if k != "_class_name"})
        encoder = GuideEncoder(**tower_settings(TOWER, "openai"))
    for name, model in (("unet", unet), ("vae", vae)):
        model.save_config(base / name)
        state = random_weights(model.state_dict())
        save_file(state, base / name / "diffusion_pytorch_model.fp16.safetensors")
        del state
    DDIMScheduler(**SCHEDULER_CONFIG).save_pretrained(base / "scheduler")
    tower.mkdir()
    save_file(
        {f"visual.{k}": v for k, v in random_weights(encoder.visual.state_dict()).items()},
        tower / WEIGHTS_NAME,
    )
    vision = {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14}
    config = {"model_cfg": {"embed_dim": 768, "quick_gelu": True, "vision_cfg": vision}}
    (tower / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")


def random_weights(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return small random weights in half precision; one for the scales of norms."""
    return {
        name: torch.full(value.shape, float(name.endswith("weight")), dtype=torch.half)
        if value.ndim == 1
        else (torch.randn(value.shape) * 0.02).half()
        for name, value in shapes.items()
    }


def load(folder: Path) -> DiffMVRModule:
    """Load through the configuration, as ``python -m diffmvr.train model=sd15`` does."""
    register_resolvers()
    overrides = [
        "experiment=dual_motion",
        "model=sd15",
        f"model.components.base={folder / 'base'}",
        f"model.components.image_encoder=[{TOWER},'local-dir:{folder / 'tower'}']",
        "model.components.gradient_checkpointing=true",
        f"paths.output={folder}",
    ]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", overrides)
    module: DiffMVRModule = instantiate(cfg.model, _convert_="all")
    return module


def frames(side: int, guides: int) -> ClipBatch:
    """Return one clip of two random frames with a hole in each."""
    draw = torch.Generator().manual_seed(SEED)
    mask = torch.zeros(1, 2, 1, side, side)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = 1
    clean = 2 * torch.rand(1, 2, 3, side, side, generator=draw) - 1
    return ClipBatch(
        pixel_values=clean,
        observed_pixel_values=clean,
        mask=mask,
        guide_pixel_values=2 * torch.rand(1, 2, guides, 3, side, side, generator=draw) - 1,
        guide_valid=torch.ones(1, 2, guides, dtype=torch.bool),
        frame_index=torch.arange(2)[None],
        clip_id=("random",),
        subject_id=("random",),
        similarity=side * torch.tensor([[0.25, 0.0, 0.5], [0.0, 0.25, 0.4]]).expand(1, 2, 2, 3),
    )


def restore(module: DiffMVRModule, batch: ClipBatch, side: int) -> Tensor:
    """Restore one frame in one step."""
    pipeline = DiffMVRPipeline.from_components(module.components)
    pipeline.set_progress_bar_config(disable=True)
    module.eval()
    result = pipeline(
        batch.observed_pixel_values[0, :1],
        batch.mask[0, :1],
        batch.guide_pixel_values[0, :1],
        batch.guide_valid[0, :1],
        generator=torch.Generator().manual_seed(SEED),
    )
    module.train()
    return result.pixel_values


def train_step(module: DiffMVRModule, batch: ClipBatch) -> float:
    """Take one step of plain gradient descent on two frames, from pixels."""
    optimizer = torch.optim.SGD(module.trainable_parameters(), lr=1e-5, foreach=False)
    losses = module.losses(batch, torch.Generator().manual_seed(SEED))
    loss = losses["denoising"] + module.motion.weight * losses["motion"]
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def count(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def peak_rss() -> float:
    """Return the most memory this process has had, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def available_gib() -> float:
    """Return the memory that is free, and what this process already has."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return kib / 2**20 + peak_rss()


if __name__ == "__main__":
    main()
