"""What every run has, whatever is configured."""

from pathlib import Path

import lightning as L
import pytest
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from omegaconf import DictConfig, OmegaConf

from diffmvr.config import config_dir, register_resolvers
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.runs.ledger import result_settings
from diffmvr.training.ema import EMACallback
from diffmvr.training.exact_resume import ExactResume
from diffmvr.training.finite_guard import FiniteGuard
from diffmvr.training.trainer import build_trainer, check_devices, check_whole

QUIET = ["callbacks.progress=null", "callbacks.samples=null", "+trainer.enable_progress_bar=false"]


def composed(output: Path, *overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", [f"paths.output={output}", *QUIET, *overrides])


def built(cfg: DictConfig, output: Path) -> L.Trainer:
    return build_trainer(cfg.trainer, cfg.callbacks, [], output / "checkpoints", cfg.seed)


def test_the_safeguards_come_after_what_is_configured(tmp_path: Path) -> None:
    trainer = built(composed(tmp_path), tmp_path)
    kinds = [type(callback) for callback in trainer.callbacks]
    # The average is back and the batch is known to be finite before a state is called exact;
    # checkpoints are written last.
    order = [EMACallback, LearningRateMonitor, FiniteGuard, ExactResume, ModelCheckpoint]
    assert [kind for kind in kinds if kind in order] == order
    assert isinstance(trainer.strategy.checkpoint_io, VerifiedCheckpointIO)


def test_plugins_of_ones_own_stay(tmp_path: Path) -> None:
    cfg = composed(tmp_path, "trainer=ddp_sim")
    target = "lightning.pytorch.plugins.environments.LightningEnvironment"
    OmegaConf.update(cfg, "trainer.plugins", [{"_target_": target}], force_add=True)
    trainer = built(cfg, tmp_path)
    assert type(trainer.strategy.cluster_environment).__name__ == "LightningEnvironment"
    assert isinstance(trainer.strategy.checkpoint_io, VerifiedCheckpointIO)


@pytest.mark.parametrize(
    ("overrides", "steps", "seconds"),
    [([], 0, 1800), (["callbacks.interval.minutes=null", "callbacks.interval.steps=50"], 50, None)],
)
def test_more_checkpoints_are_another_way_to_the_same_result(
    tmp_path: Path, overrides: list[str], steps: int, seconds: int | None
) -> None:
    cfg = composed(tmp_path, "callbacks=[default,interval,best]", *overrides)
    assert result_settings(cfg, {}) == result_settings(composed(tmp_path), {})
    usual, interval, best = (
        callback
        for callback in built(cfg, tmp_path).callbacks
        if isinstance(callback, ModelCheckpoint)
    )
    assert {one.dirpath for one in (usual, interval, best)} == {str(tmp_path / "checkpoints")}
    assert interval._every_n_train_steps == steps
    every = interval._train_time_interval
    assert (None if every is None else every.total_seconds()) == seconds
    assert (best.monitor, best.mode, best.save_top_k) == ("val/loss_denoising", "min", 1)


@pytest.mark.parametrize("trainer", ["fsdp", "fsdp_sim"])
def test_what_cannot_be_shared_out_says_so(trainer: str, tmp_path: Path) -> None:
    for whole in ("cpu", "ddp", "ddp_sim"):
        check_whole(composed(tmp_path, f"trainer={whole}").trainer)
    shared = composed(tmp_path, f"trainer={trainer}")
    with pytest.raises(ValueError, match=r"^trainer\.strategy: .*ShardedStrategy .*=ddp, or"):
        check_whole(shared.trainer)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.devices=abc", r"devices: expected a whole number of at least 1, got 'abc'"),
        ("trainer.devices=0", r"devices: expected a whole number of at least 1, got 0"),
        ("trainer.devices=[0]", r"devices: expected a whole number of at least 1, got \[0\]"),
        ("trainer.devices=1.5", r"devices: expected a whole number of at least 1, got 1\.5"),
        ("trainer.val_check_interval=0", r"val_check_interval: .*got 0; .*limit_val_batches=0"),
        ("trainer.precision=half", r"trainer: Precision 'half' is invalid"),
    ],
)
def test_a_value_that_no_trainer_takes_is_named(override: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        built(composed(tmp_path, override), tmp_path)


@pytest.mark.parametrize("devices", [1, 8, "2", "auto", -1, "-1", "0,1", [0, 1]])
def test_devices_that_are_right_pass(devices: object) -> None:
    check_devices(OmegaConf.create({"accelerator": "gpu", "devices": devices}))


@pytest.mark.parametrize("devices", ["abc", 0, -2, 0.5, "", True])
def test_devices_that_are_wrong_say_what_gpus_take(devices: object) -> None:
    with pytest.raises(ValueError, match=r"^trainer\.devices: .*-1 for all GPUs.*, got "):
        check_devices(OmegaConf.create({"accelerator": "gpu", "devices": devices}))
