"""Peak memory of ``model=sd15``: ``python experiments/memory_table.py``.

Writes ``experiments/results/memory.csv``.  A row marked ``computed`` is what the real code would
allocate on a GPU, counted on tensors without memory (``diffmvr.training.memory_estimate``); cuDNN's
workspaces, fragmentation and the CUDA context, about 1 GiB, come on top.  A row marked
``measured`` was run: those of ``experiments/full_size.py`` on a CPU, and with ``--measure``
training steps on the GPU of this machine.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.components import build_stable_diffusion, recompute_activations
from diffmvr.models.conditioning import Conditions
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.memory_estimate import (
    GIB,
    MemoryEstimate,
    estimate_restoring,
    estimate_training,
)
from diffmvr.training.module import DiffMVRModule

RESULTS = Path(__file__).parent / "results"
SIDE, CELLS = 512, 64
PRECISION = "bf16-mixed"
COLUMNS = (
    *("task", "device", "precision", "side", "frames", "gradient_checkpointing", "encodings"),
    *("weights_gib", "optimizer_gib", "average_gib", "working_gib", "total_gib", "kind", "how"),
)
HOW = "python experiments/memory_table.py"


def main() -> None:
    """Compute the table, and measure what can be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--measure", action="store_true", help="also run steps on this GPU")
    parser.add_argument("--output", type=Path, default=RESULTS / "memory.csv")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    makers = [computed_rows(arguments.frames), full_size_rows(RESULTS / "full_size.json")]
    if arguments.measure:
        makers.append(measured_rows(arguments.frames))
    for maker in makers:
        for row in maker:
            rows.append(row)
            write(rows, arguments.output)


def computed_rows(frames: Iterable[int]) -> Iterable[dict[str, Any]]:
    """Yield training and restoring on a GPU, as computed."""
    module = full_size("meta")
    for count in frames:
        estimate = estimate_restoring(module.components, count, SIDE, PRECISION, "cuda")
        yield row("restore", count, "", "", estimate, "computed")
    for recompute in (False, True):
        recompute_activations(module.components, recompute)
        for count in frames:
            estimate = estimate_training(module, count, 1, SIDE, PRECISION, "cuda")
            yield row("train", count, recompute, False, estimate, "computed")


def measured_rows(frames: Iterable[int]) -> Iterable[dict[str, Any]]:
    """Yield training steps from encoded batches that were run on this machine's GPU."""
    if not torch.cuda.is_available():
        raise ValueError("--measure: torch finds no GPU here; leave it out")
    module = full_size("cuda")
    optimizer = module.configure_optimizers()["optimizer"]
    name = torch.cuda.get_device_name()
    for recompute in (False, True):
        recompute_activations(module.components, recompute)
        for count in frames:
            for _ in range(2):  # the optimizer's state comes with its first step
                torch.cuda.reset_peak_memory_stats()
                with torch.autocast("cuda", dtype=torch.bfloat16):
                    losses = module.losses(encoded(module, count), torch.Generator())
                losses["denoising"].backward()
                optimizer.step()
                optimizer.zero_grad()
            peak = MemoryEstimate(0, working=torch.cuda.max_memory_allocated())
            yield {
                **row("train", count, recompute, True, peak, "measured", device=name),
                **dict.fromkeys(("weights_gib", "optimizer_gib", "average_gib", "working_gib"), ""),
            }


def full_size_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Yield what ``experiments/full_size.py`` measured, if it was run."""
    if not path.is_file():
        return
    figures = json.loads(path.read_text(encoding="utf-8"))
    for task in ("restore", "train"):
        stage = figures["stages"][task]
        if isinstance(stage, dict):
            yield {
                **dict.fromkeys(COLUMNS, ""),
                "task": task if task == "restore" else f"train, {figures['optimizer']}",
                "device": f"cpu ({figures['machine']['processor']})",
                "precision": "32-true",
                "side": figures["side"],
                "frames": figures["frames"][task],
                "gradient_checkpointing": task == "train" or "",
                "encodings": "" if task == "restore" else False,
                "total_gib": stage["peak_rss_gib"],
                "kind": "measured",
                "how": figures["command"],
            }


def row(
    task: str,
    frames: int,
    recompute: bool | str,
    encoded: bool | str,
    estimate: MemoryEstimate,
    kind: str,
    device: str = "cuda",
) -> dict[str, Any]:
    """Return one row of the table."""
    sizes = {
        "weights_gib": estimate.weights,
        "optimizer_gib": estimate.optimizer,
        "average_gib": estimate.average,
        "working_gib": estimate.working,
        "total_gib": estimate.total,
    }
    return {
        "task": task,
        "device": device,
        "precision": PRECISION,
        "side": SIDE,
        "frames": frames,
        "gradient_checkpointing": recompute,
        "encodings": encoded,
        **{name: round(size / GIB, 2) for name, size in sizes.items()},
        "kind": kind,
        "how": HOW if kind == "computed" else f"{HOW} --measure",
    }


def full_size(device: str) -> DiffMVRModule:
    """Build what ``experiment=dual_motion model=sd15`` trains, without learnt weights."""
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", ["experiment=dual_motion", "model=sd15"])
    build = instantiate(cfg.model, components=None, _partial_=True, _convert_="all")
    components = build_stable_diffusion(instantiate(cfg.guide, _convert_="all"), device)
    module: DiffMVRModule = build(components=components)
    return module


def encoded(module: DiffMVRModule, frames: int) -> EncodedBatch:
    """Return one window of random encodings on the GPU."""
    guides, tower = len(module.guide.kinds), module.components.image_encoders[0]
    latents = torch.randn(frames, 4, CELLS, CELLS, device="cuda")
    shape = (guides, frames, tower.num_tokens("patch"), tower.token_width("patch"))
    conditions = Conditions(
        mask=torch.ones(frames, 1, CELLS, CELLS, device="cuda"),
        masked_latents=torch.randn_like(latents),
        guide_latents=latents.new_zeros(frames, 0, 4, CELLS, CELLS),
        image_embeds=torch.randn(shape, device="cuda"),
        guide_valid=torch.ones(frames, guides, dtype=torch.bool, device="cuda"),
        reference_latents=torch.zeros_like(latents),
    )
    return EncodedBatch(latents, conditions, clips=1)


def write(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write the table."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
