"""Processes that share the weights out train, save and resume as one process that has them all."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import polars as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.commands import LEAST, check_two_processes, run
from tests.helpers.fresh import FreshShards
from tests.helpers.tiny import tiny_datamodule, tiny_module, tiny_trainer
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves

from diffmvr.models.components import recompute_activations
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO, read_checkpoint
from diffmvr.training.ema import EMACallback
from diffmvr.training.exact_resume import ExactResume
from diffmvr.training.finite_guard import FiniteGuard
from diffmvr.training.sharding import gathered, local_part

STEPS = 5
WINDOW = 2
# Windows of the global batch.
GLOBAL = 4
# Every gradient is longer than this.
CLIP = 0.05
SAVED = ("state_dict", "optimizer_states", "lr_schedulers", "callbacks")


class Record(L.Callback):
    """Writes what each process saw, computed and held."""

    def __init__(self, folder: Path, ema: EMACallback) -> None:
        self.folder, self.ema = folder, ema
        self.facts: dict[str, Any] = {"gradients": [], "clips": [], "norms": [], "losses": []}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        firsts = batch.frame_index[:, 0].tolist()
        self.facts["clips"].append(list(zip(batch.clip_id, firsts, strict=True)))

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        gradients = {n: gathered(p.grad).clone() for n, p in pl_module.named_parameters()}
        self.facts["gradients"].append(gradients)

    def on_train_batch_end(self, trainer, pl_module, *_args, **_kwargs) -> None:
        if not trainer.fit_loop._should_accumulate():
            self.facts["norms"].append(trainer.callback_metrics["train/gradient_norm"].item())

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        metrics = trainer.callback_metrics
        self.facts["losses"].append(
            [metrics[f"val/loss_{name}"].item() for name in ("denoising", "motion")]
        )

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        moments = trainer.optimizers[0].state_dict()["state"]
        held = {
            "weights": list(pl_module.parameters()),
            "moments": [value for value in tree_leaves(moments) if value.ndim],
            "average": self.ema._average.shadow_params,
        }
        self.facts["held"] = {
            name: sum(local_part(tensor).numel() for tensor in tensors)
            for name, tensors in held.items()
        }
        torch.save(self.facts, self.folder / f"{trainer.global_rank}.pt")


def trained(
    frozen_parts: Path,
    folder: Path,
    processes: int,
    resume: Path | None = None,
    accumulated: int = 1,
    more: Sequence[L.Callback] = (),
    **changes: Any,
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Train to ``STEPS`` steps; return every process's record, and the weights that are left."""
    folder.mkdir()
    ema = EMACallback(decay=0.5)
    every = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    record = Record(folder, ema)
    several: dict[str, Any] = {"strategy": FreshShards(), "devices": processes}
    trainer = tiny_trainer(
        folder,
        **{"max_steps": STEPS, **changes},
        callbacks=[*more, ema, record, FiniteGuard(), ExactResume(folder), every],
        plugins=[VerifiedCheckpointIO()],
        gradient_clip_val=CLIP,
        accumulate_grad_batches=accumulated,
        val_check_interval=2 * accumulated,
        **(several if processes > 1 else {}),
    )
    # A large ε, lest Adam's first steps, which are signs, turn rounding into steps.
    module = tiny_module(frozen_parts, optimizer=partial(torch.optim.Adam, lr=1e-2, eps=1e-2))
    recompute_activations(module.components, accumulated > 1)
    data = tiny_datamodule(batch_frames=GLOBAL * WINDOW // (processes * accumulated))
    trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    records = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(processes)]
    return records, module.state_dict()


def last_step(folder: Path) -> dict[str, Any]:
    content = read_checkpoint(folder / f"step={STEPS}.ckpt")
    # Where the files lie is another matter.
    content["callbacks"] = {k: v for k, v in content["callbacks"].items() if "Checkpoint" not in k}
    return {key: content[key] for key in SAVED}


def assert_near(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fsdp")


@pytest.fixture(scope="module")
def alone(frozen_parts: Path, folder: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    return trained(frozen_parts, folder / "alone", 1)


@pytest.fixture(scope="module")
def shared(
    frozen_parts: Path, folder: Path
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    return trained(frozen_parts, folder / "shared", 2)


def check_steps(records: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    """The same clips in every step, none of them twice; the same gradients and losses."""
    micro = zip(*(record["clips"] for record in records), strict=True)
    taken = [name for parts in micro for part in parts for name in part]
    steps = len(records[0]["gradients"])
    assert taken == [name for batch in alone["clips"][:steps] for name in batch]
    for record in records:
        assert_near(record["gradients"], alone["gradients"][:steps])
        assert_near(record["losses"], alone["losses"][: len(record["losses"])])


def test_the_losses_and_weights_are_those_of_one_process(alone, shared, folder: Path) -> None:
    (expected,), weights = alone
    records, left = shared
    assert len(expected["gradients"]) == STEPS and len(expected["losses"]) == STEPS // 2
    assert min(expected["norms"]) > CLIP, "there is something to clip"
    check_steps(records, expected)
    for record in records:
        assert_near(record["norms"], expected["norms"])
    # The average, whole again in the first process; and all that the checkpoint holds, which has
    # the same layout.
    assert_near(left, weights)
    assert_near(last_step(folder / "shared"), last_step(folder / "alone"))


def test_each_process_holds_half(alone, shared) -> None:
    (whole,), _ = alone
    records, _ = shared
    for name, size in whole["held"].items():
        parts = [record["held"][name] for record in records]
        assert sum(parts) == size
        assert min(parts) > 0.49 * size, (name, parts)


@pytest.mark.parametrize(
    ("saved_by", "processes"), [("shared", 2), ("alone", 2), ("shared", 1)], ids=str
)
def test_each_resumes_the_others_checkpoints(
    frozen_parts: Path, folder: Path, alone, shared, saved_by: str, processes: int
) -> None:
    goes_on = folder / f"{saved_by}-{processes}"
    trained(frozen_parts, goes_on, processes, resume=folder / saved_by / "step=3.ckpt")
    got, expected = last_step(goes_on), last_step(folder / saved_by)
    if (saved_by, processes) == ("shared", 2):
        torch.testing.assert_close(got, expected, rtol=0, atol=0)
    else:
        assert_near(got, expected)


def test_accumulation_and_recomputed_activations(frozen_parts: Path, folder: Path, alone) -> None:
    records, _ = trained(frozen_parts, folder / "accumulated", 2, accumulated=2, max_steps=2)
    check_steps(records, alone[0][0])


class Spoil(L.Callback):
    """Makes one number of one process's part of a gradient infinite."""

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.global_rank == 1:
            local_part(pl_module.unet.conv_in.weight.grad)[0, 0, 0, 0] = float("inf")


def test_a_gradient_that_one_process_has_stops_both(frozen_parts: Path, folder: Path) -> None:
    said = r"the gradient of unet\.conv_in\.weight is not finite at step 0 \(process [01],"
    with pytest.raises(Exception, match=said):
        trained(frozen_parts, folder / "spoilt", 2, more=[Spoil()])
    assert not list((folder / "spoilt").glob("*.ckpt"))


def test_from_the_command_line(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    least = [entry for entry in LEAST if not entry.startswith("callbacks.samples")]
    quiet = ["callbacks.progress=null", "+trainer.enable_progress_bar=false"]
    fixed = [f"paths.weights={weights}", f"hydra.run.dir={folder}", "trainer=fsdp_sim"]
    said = run(
        "diffmvr.train", *least, *fixed, *quiet, "trainer.precision=bf16-mixed", cwd=tmp_path
    )
    assert "Traceback" not in said
    check_two_processes(folder)
    # Sampled while the weights were shared out, by the first process.
    assert sorted(path.suffix for path in (folder / "samples").glob("step000002*")) == [
        ".mp4",
        ".png",
    ]
    scores = pl.read_csv(folder / "metrics.csv", infer_schema_length=None)["val/psnr_hole"]
    assert scores.drop_nulls().is_finite().to_list() == [True, True]
    # What is saved in the end is the average.
    checkpoint = read_checkpoint(folder / "checkpoints" / "last.ckpt")
    average = checkpoint["callbacks"]["EMACallback"]["shadow_params"]
    pipeline = DiffMVRPipeline.from_pretrained(folder / "model")
    parts = [p for part in (pipeline.unet, pipeline.projector) for p in part.parameters()]
    for got, expected in zip(parts, average, strict=True):
        torch.testing.assert_close(got.detach(), expected, rtol=0, atol=0)
