"""Weights that are shared out come back whole; what cannot be shared out is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tests.helpers.fresh import METHOD, fresh_processes
from tests.helpers.tiny import digest, fingerprint, tiny_batch, tiny_module
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor
from torch.multiprocessing.spawn import start_processes

from diffmvr.config import config_dir, register_resolvers
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.runs.ledger import result_settings
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.sharding import ShardedStrategy, hollow, part_like, whole
from diffmvr.training.trainer import build_trainer
from diffmvr.training.utilization import training_flops


def with_mesh(check: Callable[..., None], *arguments: Any) -> None:
    """Run a check with the mesh of one process, in a process of its own.

    What gloo and autograd start beside a mesh stays there.
    """
    fresh_processes()
    start_processes(_with_mesh, (check, *arguments), nprocs=1, start_method=METHOD)


def _with_mesh(_rank: int, check: Callable[..., None], *arguments: Any) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    names = ("data_parallel", "tensor_parallel")
    check(init_device_mesh("cpu", (1, 1), mesh_dim_names=names), *arguments)
    dist.destroy_process_group()


def shared_out(module: DiffMVRModule, mesh: DeviceMesh) -> DiffMVRModule:
    module._device_mesh = mesh
    module.configure_model()
    return module


def test_a_hollow_copy_takes_no_memory(frozen_parts: Path) -> None:
    unet = tiny_module(frozen_parts).unet
    shell = hollow(unet)
    assert type(shell) is type(unet) and shell.config == unet.config
    assert all(p.is_meta and p.requires_grad for p in shell.parameters())
    assert shell.state_dict().keys() == unet.state_dict().keys()
    assert not any(p.is_meta for p in unet.parameters())


def test_shared_out_and_whole_again(frozen_parts: Path) -> None:
    with_mesh(check_shared_out_and_whole_again, frozen_parts)


def check_shared_out_and_whole_again(mesh: DeviceMesh, frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    before, kind = fingerprint(module), type(module.unet)
    generator = torch.Generator()
    loss = module.eval().losses(tiny_batch(), generator.manual_seed(0))["denoising"].item()

    shared_out(module.train(), mesh).configure_model()  # again, as before a second fit
    assert all(isinstance(p, DTensor) for p in module.trainable_parameters())
    losses = module.eval().losses(tiny_batch(), generator.manual_seed(0))
    assert losses["denoising"].item() == loss
    assert all(isinstance(p, DTensor) for p in module.parameters()), "nothing stays gathered"

    sampled = module.whole_components()
    assert type(sampled.unet) is kind and not sampled.unet.training
    assert sampled.vae is module.components.vae
    module.on_fit_end()
    assert module.unet is module.components.unet and type(module.unet) is kind
    assert fingerprint(module) == before
    assert module.whole_components() is module.components


def test_operations_are_counted_alike(frozen_parts: Path) -> None:
    with_mesh(check_operations_are_counted_alike, frozen_parts)


def check_operations_are_counted_alike(mesh: DeviceMesh, frozen_parts: Path) -> None:
    module, batch = tiny_module(frozen_parts), tiny_batch()
    expected = training_flops(module, batch)
    assert training_flops(shared_out(module, mesh), batch) == expected
    assert not any(p.grad is not None for p in module.parameters())


def test_parts_and_wholes() -> None:
    with_mesh(check_parts_and_wholes)


def check_parts_and_wholes(mesh: DeviceMesh) -> None:
    value = torch.arange(12.0).view(4, 3)
    line = mesh["data_parallel"]
    like = part_like(DTensor.from_local(torch.zeros(4, 3), line), value)
    assert isinstance(like, DTensor)
    assert like.to_local().data_ptr() != value.data_ptr()
    state = {"step": 3, "moments": [like, None], "count": torch.tensor(2.0)}
    back = whole(state)
    assert back["step"] == 3 and back["count"] is state["count"]
    assert digest(back["moments"][0]) == digest(value) and back["moments"][1] is None
    # What belongs to no tensor, or has another shape, is not shared out.
    for sharded, plain in ((None, value), (like, torch.tensor(1.0)), (like, 0.9)):
        assert part_like(sharded, plain) is plain


@pytest.mark.parametrize(
    ("setting", "value"), [("channels_last", True), ("compile_backend", "inductor")]
)
def test_settings_that_are_not_for_shared_weights(
    frozen_parts: Path, setting: str, value: object
) -> None:
    module = tiny_module(frozen_parts, **{setting: value})
    module.configure_model()  # nothing is shared out
    module._device_mesh = object()
    with pytest.raises(ValueError, match=rf"model\.{setting}: got {value}.* use trainer=ddp"):
        module.configure_model()


def composed(output: Path, trainer: str) -> DictConfig:
    register_resolvers()
    quiet = ["callbacks.progress=null", "callbacks.samples=null"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", [f"paths.output={output}", f"trainer={trainer}", *quiet])


def test_sharing_out_is_another_way_to_the_same_result(tmp_path: Path) -> None:
    cfg = composed(tmp_path, "fsdp_sim")
    assert result_settings(cfg, {}) == result_settings(composed(tmp_path, "ddp_sim"), {})
    assert result_settings(composed(tmp_path, "fsdp"), {}) == result_settings(
        composed(tmp_path, "ddp"), {}
    )
    trainer = build_trainer(cfg.trainer, cfg.callbacks, [], tmp_path, cfg.seed)
    strategy = trainer.strategy
    assert isinstance(strategy, ShardedStrategy) and trainer.world_size == 2
    assert isinstance(strategy.checkpoint_io, VerifiedCheckpointIO)


@pytest.mark.parametrize("trainer", ["gpu", "ddp", "fsdp"])
def test_a_gpu_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    cfg = composed(tmp_path, trainer)
    with pytest.raises(ValueError, match=r"accelerator: gpu was asked for, but torch finds no GPU"):
        build_trainer(cfg.trainer, cfg.callbacks, [], tmp_path, cfg.seed)
