"""Two processes train as one does with a batch twice as large, and so does accumulation."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from tests.helpers.fresh import FreshDDP
from tests.helpers.tiny import digest, tiny_batch, tiny_datamodule, tiny_module, tiny_trainer
from torch.optim import Optimizer

from diffmvr.models.guide_settings import GuideSettings
from diffmvr.structures import ClipBatch
from diffmvr.training.ema import EMACallback
from diffmvr.training.sampling_callback import LogRestoredClip

STEPS = 3
WINDOW = 2
# Windows of the global batch; 14 windows in all, so that an epoch ends with an incomplete one.
GLOBAL = 4


def names(batch: ClipBatch) -> list[tuple[str, int]]:
    firsts = batch.frame_index[:, 0].tolist()
    return list(zip(batch.clip_id, firsts, strict=True))


class Record(L.Callback):
    """Writes what each process saw and computed."""

    def __init__(self, folder: Path, ema: EMACallback) -> None:
        self._folder, self._ema = folder, ema
        self._facts: dict[str, Any] = {"gradients": [], "clips": []}

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: ClipBatch, batch_idx: int
    ) -> None:
        self._facts["clips"].append(names(batch))

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        gradients = {name: p.grad.clone() for name, p in pl_module.named_parameters()}
        self._facts["gradients"].append(gradients)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._facts["psnr_hole"] = trainer.callback_metrics["val/psnr_hole"].item()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        average = self._ema.state_dict()["shadow_params"]
        self._facts["average"] = [digest(tensor) for tensor in average]
        torch.save(self._facts, self._folder / f"{trainer.global_rank}.pt")


def trained(
    frozen_parts: Path, folder: Path, processes: int, accumulated: int
) -> list[dict[str, Any]]:
    """Train for ``STEPS`` steps of one global batch; return the record of every process."""
    folder.mkdir()
    several = {"strategy": FreshDDP(), "devices": processes} if processes > 1 else {}
    windows = GLOBAL // (processes * accumulated)
    ema = EMACallback(decay=0.9)
    trainer = tiny_trainer(
        folder,
        STEPS,
        [LogRestoredClip(folder, clips=3), ema, Record(folder, ema)],
        accumulate_grad_batches=accumulated,
        val_check_interval=STEPS * accumulated,
        **several,
    )
    # Plain descent: Adam's first steps are signs, which turn rounding into steps.
    module = tiny_module(frozen_parts, optimizer=partial(torch.optim.SGD, lr=1e-2))
    data = tiny_datamodule(batch_frames=windows * WINDOW, fractions=(0.7, 0.25, 0.05))
    trainer.fit(module, datamodule=data)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(processes)]


@pytest.fixture(scope="module")
def alone(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (record,) = trained(frozen_parts, tmp_path_factory.mktemp("alone") / "run", 1, 1)
    return record


@pytest.mark.parametrize(("processes", "accumulated"), [(2, 1), (1, 2), (2, 2)])
def test_the_gradients_are_those_of_one_process(
    frozen_parts: Path, tmp_path: Path, alone: dict[str, Any], processes: int, accumulated: int
) -> None:
    records = trained(frozen_parts, tmp_path / "run", processes, accumulated)

    # The same clips in every optimizer step, none of them twice.
    micro = zip(*(record["clips"] for record in records), strict=True)
    taken = [name for parts in micro for part in parts for name in part]
    assert taken == [name for batch in alone["clips"] for name in batch]

    for record in records:
        assert len(record["gradients"]) == STEPS
        for got, expected in zip(record["gradients"], alone["gradients"], strict=True):
            largest = max(gradient.abs().max().item() for gradient in expected.values())
            assert largest > 1e-2, "there is something to compare"
            for name, gradient in expected.items():
                torch.testing.assert_close(got[name], gradient, rtol=0, atol=1e-6, msg=name)
        assert record["average"] == records[0]["average"], "the average is one on all processes"
        # So is the score of what it restores: three clips, of which one process takes two.
        assert record["psnr_hole"] == records[0]["psnr_hole"]
        assert record["psnr_hole"] == pytest.approx(alone["psnr_hole"], abs=1e-3)


def order(rank: int, processes: int, workers: int = 0) -> list[list[tuple[str, int]]]:
    """The clips of every batch of one process in the third epoch."""
    windows = GLOBAL // processes
    data = tiny_datamodule(batch_frames=windows * WINDOW, num_workers=workers)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank, world_size=processes, accumulate_grad_batches=1
    )
    loader = data.train_dataloader()
    loader.sampler.set_epoch(3)
    return [names(batch) for batch in loader]


@pytest.mark.parametrize("processes", [1, 2])
def test_the_order_does_not_depend_on_the_processes(processes: int) -> None:
    plain = tiny_datamodule(batch_frames=GLOBAL * WINDOW).train_dataloader()
    plain.sampler.set_epoch(3)
    expected = [name for batch in plain for name in names(batch)]
    steps = zip(*(order(rank, processes) for rank in range(processes)), strict=True)
    assert [name for parts in steps for part in parts for name in part] == expected


def test_the_order_does_not_depend_on_the_workers() -> None:
    # Of one process alone: a worker takes seconds to start.
    assert order(1, 2, workers=2) == order(1, 2)


@pytest.mark.parametrize("pathway", ["attention", "latents", "both"])
@pytest.mark.parametrize("fusion", ["fixed", "learned", "gated"])
def test_every_parameter_takes_part_in_every_step(
    frozen_parts: Path, pathway: str, fusion: str
) -> None:
    # Else DDP would wait for a gradient that never comes.
    module = tiny_module(frozen_parts, GuideSettings(pathway=pathway, fusion=fusion))
    losses = module.losses(tiny_batch(), torch.Generator().manual_seed(0))
    losses["denoising"].backward()
    assert not [name for name, p in module.named_parameters() if p.grad is None]
