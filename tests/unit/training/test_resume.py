"""A seed repeats a run bit for bit, and a resumed run is the run that was never stopped."""

import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.fresh import FreshDDP
from tests.helpers.tiny import (
    digest,
    fingerprint,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)

from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO, newest_checkpoint, read_checkpoint
from diffmvr.signals import ENDING, stopped_by_signals
from diffmvr.training.checkpoints import interval_checkpoint
from diffmvr.training.ema import EMACallback
from diffmvr.training.exact_resume import CRASH_FILE, ExactResume, LastValidation
from diffmvr.training.finite_guard import FiniteGuard

STEPS = 7


class End(L.Callback):
    """The losses of a run, and what it has at its last step, before the average takes over."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.losses: dict[int, float] = {}
        self.validations: dict[int, float] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.losses[trainer.fit_loop.epoch_loop.total_batch_idx] = outputs["loss"].item()

    def on_validation_end(self, trainer, pl_module) -> None:
        loss = trainer.callback_metrics["val/loss_denoising"]
        self.validations[trainer.fit_loop.epoch_loop.total_batch_idx] = loss.item()

    def on_train_end(self, trainer, pl_module) -> None:
        self.facts["weights"] = fingerprint(pl_module)
        self.facts["optimizer"] = {
            (index, key): digest(value)
            for index, state in trainer.optimizers[0].state_dict()["state"].items()
            for key, value in state.items()
        }
        self.facts["schedule"] = trainer.lr_scheduler_configs[0].scheduler.state_dict()


class EveryBatch(L.Callback):
    """Saves a checkpoint after every batch, also where gradients are still being accumulated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        batches = trainer.fit_loop.epoch_loop.total_batch_idx
        trainer.save_checkpoint(self.folder / f"batch{batches}.ckpt")


class EveryValidation(EveryBatch):
    """Saves one at the end of every validation."""

    def on_train_batch_end(self, *_args, **_kwargs) -> None:
        pass

    def on_validation_end(self, trainer, pl_module) -> None:
        batches = trainer.fit_loop.epoch_loop.total_batch_idx
        trainer.save_checkpoint(self.folder / f"validated{batches}.ckpt")


def run(
    frozen_parts: Path,
    folder: Path,
    resume: Path | None = None,
    first: Sequence[L.Callback] = (),
    last: Sequence[L.Callback] = (),
    workers: int = 0,
    accumulate: int = 1,
    every: int = 2,
) -> tuple[dict[str, Any], End]:
    """Train for ``STEPS`` steps, validating every second batch; return where it ended."""
    end = End()
    trainer = tiny_trainer(
        folder,
        STEPS,
        [
            LastValidation(),
            *first,
            EMACallback(decay=0.9),
            end,
            FiniteGuard(),
            ExactResume(folder, 0),
            *last,
        ],
        plugins=[VerifiedCheckpointIO()],
        accumulate_grad_batches=accumulate,
        val_check_interval=every,
    )
    datamodule = tiny_datamodule(clips=7, batch_frames=4, num_workers=workers)
    module = tiny_module(frozen_parts)
    # The global generator has a part in every step.
    module.unet.conv_in.register_forward_hook(
        lambda part, _inputs, output: F.dropout(output, 0.1, part.training)
    )
    trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    # An epoch is whole steps: three batches, or two that make one step.
    assert (trainer.global_step, trainer.num_training_batches) == (STEPS, 4 - accumulate)
    # on_fit_end has put the average into the module.
    return {**end.facts, "average": fingerprint(module)}, end


def test_a_validation_due_after_the_last_step_is_made_up_for(
    frozen_parts: Path, tmp_path: Path
) -> None:
    """Its checkpoint is that of the run that was never stopped, raw weights and average."""

    def go(folder: Path, resume: Path | None = None) -> tuple[tuple[dict[str, Any], End], Path]:
        every_step = ModelCheckpoint(folder / "step", "{step}", every_n_train_steps=1, save_top_k=1)
        validated = ModelCheckpoint(folder / "validated", "{step}", monitor="val/loss_denoising")
        ended = run(frozen_parts, folder, resume, last=[every_step, validated], every=1)
        return ended, folder / "validated"

    whole, _ = go(tmp_path / "whole")
    stopped = tmp_path / "whole" / "step" / f"step={STEPS}.ckpt"
    resumed, validated = go(tmp_path / "resumed", stopped)

    assert resumed[1].losses == {}
    assert list(resumed[1].validations.values()) == list(whole[1].validations.values())[-1:]
    assert resumed[0]["average"] == whole[0]["average"]
    (written,) = validated.glob("*.ckpt")
    before, after = (read_checkpoint(file)["state_dict"] for file in (stopped, written))
    assert {key: digest(value) for key, value in before.items()} == {
        key: digest(value) for key, value in after.items()
    }


def check_same(
    resumed: tuple[dict[str, Any], End], whole: tuple[dict[str, Any], End], losses: int, due: int
) -> None:
    """Require the end of a run, its losses from one batch on and its validations from another."""
    assert resumed[0] == whole[0]
    end, expected = resumed[1], whole[1]
    assert end.losses == {k: v for k, v in expected.losses.items() if k >= losses}
    assert end.validations == {k: v for k, v in expected.validations.items() if k >= due}


@pytest.fixture(scope="module")
def whole(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[dict[str, Any], End]]:
    """The run that is never stopped, with a checkpoint of every step and every validation."""
    folder = tmp_path_factory.mktemp("whole")
    every_step = ModelCheckpoint(folder / "step", "{step}", every_n_train_steps=1, save_top_k=-1)
    validated = ModelCheckpoint(
        folder / "validated", "{step}", monitor="val/loss_denoising", save_top_k=-1
    )
    return folder, run(frozen_parts, folder, last=[every_step, validated])


def test_a_fixed_seed_repeats_the_run(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, tuple[dict[str, Any], End]]
) -> None:
    torch.rand(7)  # what the global generators gave before does not matter
    check_same(run(frozen_parts, tmp_path), whole[1], 0, 0)


@pytest.mark.parametrize(
    ("checkpoint", "losses", "due", "workers"),
    [
        # Within the first epoch; the validation that was due is made up for.
        ("step/step=2.ckpt", 2, 1, 0),
        ("step/step=3.ckpt", 3, 3, 0),  # at its end
        ("step/step=5.ckpt", 5, 5, 2),  # within the second
        ("step/step=6.ckpt", 6, 5, 0),  # at its end, a validation due
        ("validated/step=2.ckpt", 2, 2, 0),
        ("validated/step=6.ckpt", 6, 6, 0),  # at the end of the second
    ],
)
def test_a_resumed_run_ends_where_the_whole_one_did(
    frozen_parts: Path,
    tmp_path: Path,
    whole: tuple[Path, tuple[dict[str, Any], End]],
    checkpoint: str,
    losses: int,
    due: int,
    workers: int,
) -> None:
    folder, expected = whole
    resumed = run(frozen_parts, tmp_path, folder / checkpoint, workers=workers)
    check_same(resumed, expected, losses, due)


def test_stopped_again_before_the_first_batch(
    frozen_parts: Path, tmp_path: Path, whole: tuple[Path, tuple[dict[str, Any], End]]
) -> None:
    # It begins with the validation that was due, and is saved after that.
    folder, expected = whole
    with pytest.raises(StoppedError):
        run(
            frozen_parts,
            tmp_path,
            folder / "step/step=2.ckpt",
            first=[Stop("on_train_batch_start", 1)],
            last=[EveryValidation(tmp_path)],
        )
    again = run(frozen_parts, tmp_path / "again", tmp_path / "validated1.ckpt")
    check_same(again, expected, 2, 2)


@pytest.fixture(scope="module")
def accumulated(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[dict[str, Any], End]]:
    """A run of two batches a step, with a checkpoint of every batch and every validation."""
    folder = tmp_path_factory.mktemp("accumulated")
    callbacks = [EveryBatch(folder), EveryValidation(folder)]
    return folder, run(frozen_parts, folder, last=callbacks, accumulate=2, every=1)


@pytest.mark.parametrize(
    ("checkpoint", "losses", "due"),
    [
        ("batch1", 2, 1),
        # Half a step: its first batch is taken again.
        ("batch2", 2, 2),
        ("validated2", 2, 2),
        ("batch7", 8, 7),
        ("validated7", 8, 8),
        ("batch12", 12, 12),
    ],
)
def test_in_the_middle_of_accumulation(
    frozen_parts: Path,
    tmp_path: Path,
    accumulated: tuple[Path, tuple[dict[str, Any], End]],
    checkpoint: str,
    losses: int,
    due: int,
) -> None:
    folder, expected = accumulated
    path = folder / f"{checkpoint}.ckpt"
    resumed = run(frozen_parts, tmp_path, path, accumulate=2, every=1)
    check_same(resumed, expected, losses, due)


class StoppedError(Exception):
    """Something went wrong."""


class Stop(L.Callback):
    """Goes wrong in a hook, the n-th time that it is called."""

    def __init__(self, hook: str, times: int, error: type[BaseException] = StoppedError) -> None:
        self.left = times
        self.error = error
        setattr(self, hook, self.stop)

    def stop(self, *_args: Any, **_kwargs: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error("stopped here")


@pytest.mark.parametrize(
    ("hook", "times", "losses", "due"),
    [
        ("on_train_batch_start", 5, 4, 4),
        ("on_before_backward", 5, 4, 4),
        # The average stands in the module.
        ("on_validation_batch_end", 2, 4, 3),
        ("on_validation_end", 1, 2, 1),
        ("on_train_epoch_end", 1, 3, 3),
    ],
)
def test_a_crash_loses_nothing(
    frozen_parts: Path,
    tmp_path: Path,
    whole: tuple[Path, tuple[dict[str, Any], End]],
    caplog: pytest.LogCaptureFixture,
    hook: str,
    times: int,
    losses: int,
    due: int,
) -> None:
    with pytest.raises(StoppedError):
        run(frozen_parts, tmp_path, first=[Stop(hook, times)])
    assert f"training stopped after step {losses}: {tmp_path / CRASH_FILE}" in caplog.text
    resumed = run(frozen_parts, tmp_path, newest_checkpoint(tmp_path))
    check_same(resumed, whole[1], losses, due)
    assert not list(tmp_path.glob("*.ckpt*")), "a run that has ended needs it no more"


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_training_at_the_end_of_a_step_and_it_goes_on_exactly(
    frozen_parts: Path,
    tmp_path: Path,
    whole: tuple[Path, tuple[dict[str, Any], End]],
    number: int,
) -> None:
    class Scheduler(L.Callback):
        def on_before_backward(self, trainer, pl_module, loss) -> None:
            if trainer.global_step == 2:
                os.kill(os.getpid(), number)

    before = {name: signal.signal(name, signal.SIG_DFL) for name in ENDING}
    try:
        # What run_cli does around every command.
        with pytest.raises(SystemExit), stopped_by_signals() as received:
            run(frozen_parts, tmp_path, first=[Scheduler()])
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    assert number in received
    resumed = run(frozen_parts, tmp_path, tmp_path / CRASH_FILE)
    check_same(resumed, whole[1], 3, 3)


@pytest.mark.parametrize("hook", ["none", "on_train_batch_end"])
def test_a_crash_within_a_step_leaves_no_checkpoint(
    frozen_parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    class StopInStep(Stop):
        def setup(self, trainer, pl_module, stage) -> None:
            step = pl_module.optimizer_step

            def stepped(*args: Any, **kwargs: Any) -> None:
                step(*args, **kwargs)
                self.stop()

            if hook == "none":
                pl_module.optimizer_step = stepped

    with pytest.raises(StoppedError):
        run(frozen_parts, tmp_path, first=[StopInStep(hook, 3)])
    assert not (tmp_path / CRASH_FILE).exists()
    assert "it came in the middle of a step" in caplog.text


def test_a_crash_that_cannot_be_saved_does_not_hide_its_cause(
    frozen_parts: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(VerifiedCheckpointIO, "save_checkpoint", full)
    with pytest.raises(StoppedError):
        run(frozen_parts, tmp_path, first=[Stop("on_train_batch_start", 2)])
    assert "no checkpoint of the crash: no space left" in caplog.text


@pytest.mark.parametrize("name", ["last.ckpt", None])
def test_a_crash_of_another_process_says_what_there_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str | None
) -> None:
    if name is not None:
        for number, file in enumerate(("step=2.ckpt", name)):
            (tmp_path / file).touch()
            os.utime(tmp_path / file, ns=(number, number))
    before = sorted(tmp_path.iterdir())
    trainer: Any = SimpleNamespace(is_global_zero=False, global_rank=3, global_step=5)
    ExactResume(tmp_path).on_exception(trainer, L.LightningModule(), StoppedError())
    there = tmp_path / name if name else f"none in {tmp_path}"
    assert re.search(rf"process 3 stopped after step 5 .* so far: {there}$", caplog.text.strip())
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("interval", [{"steps": 2}, {"minutes": 0}])
def test_checkpoints_every_so_often(
    frozen_parts: Path,
    tmp_path: Path,
    whole: tuple[Path, tuple[dict[str, Any], End]],
    interval: dict[str, Any],
) -> None:
    callback = interval_checkpoint(str(tmp_path), **interval)
    with pytest.raises(StoppedError):
        run(frozen_parts, tmp_path, first=[Stop("on_train_batch_start", 6)], last=[callback])
    (tmp_path / CRASH_FILE).unlink()
    steps = 4 if "steps" in interval else 5
    assert [path.name for path in tmp_path.glob("*.ckpt")] == [f"interval-step{steps}.ckpt"]
    resumed = run(frozen_parts, tmp_path, newest_checkpoint(tmp_path))
    check_same(resumed, whole[1], steps, 3 if steps == 4 else 5)


@pytest.mark.parametrize("interval", [{}, {"steps": 2, "minutes": 3}])
def test_an_interval_is_of_one_kind(interval: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"interval: expected minutes or steps, got minutes="):
        interval_checkpoint("somewhere", **interval)


def on_two_processes(
    frozen_parts: Path, folder: Path, resume: Path | None, stop: Callable[[], list[L.Callback]]
) -> None:
    """Train in two processes; the checkpoints tell what came of it."""
    last = ModelCheckpoint(
        folder, "{step}", every_n_train_steps=1, save_top_k=-1, enable_version_counter=False
    )
    trainer = tiny_trainer(
        folder,
        5,
        [*stop(), EMACallback(decay=0.9), FiniteGuard(), ExactResume(folder, 0), last],
        plugins=[VerifiedCheckpointIO()],
        strategy=FreshDDP(),
        devices=2,
    )
    module = tiny_module(frozen_parts)
    datamodule = tiny_datamodule(clips=7, batch_frames=2)
    trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)


def test_two_processes(frozen_parts: Path, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    on_two_processes(frozen_parts, whole, None, list)
    with pytest.raises(Exception, match="stopped here"):
        on_two_processes(frozen_parts, stopped, None, lambda: [Stop("on_train_batch_start", 3)])
    newest = newest_checkpoint(stopped)
    assert newest is not None and newest.name in (CRASH_FILE, "step=2.ckpt")
    on_two_processes(frozen_parts, stopped, newest, list)
    expected, got = (read_checkpoint(folder / "step=5.ckpt") for folder in (whole, stopped))
    assert expected.keys() == got.keys()
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops"):
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=0)
    average = "EMACallback"
    torch.testing.assert_close(
        got["callbacks"][average], expected["callbacks"][average], rtol=0, atol=0
    )
