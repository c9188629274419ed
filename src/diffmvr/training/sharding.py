"""What is trained, shared out over the processes (``trainer=fsdp``): FSDP2 of PyTorch.

Under DDP every process holds all weights, gradients, moments of the optimizer and averages.  Here
it holds its rows of each of them, as ``DTensor``s; a block of the U-Net is gathered while it
computes, and let go.  The frozen parts stay whole in each process.

Nothing else differs from DDP: neither the losses nor the checkpoints.  Those hold whole tensors, so
that one process, DDP and FSDP go on from each other's.
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map_only

Module = TypeVar("Module", bound=nn.Module)


class ShardedStrategy(ModelParallelStrategy):
    """Shares out over all processes what a module shards in ``configure_model``.

    Lightning's own reads checkpoints past the checkpoint IO, which would check them.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """False: as without sharding."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """True: as without sharding."""
        return True

    def setup_environment(self) -> None:
        """Spread the weights over all machines, not over each of them."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Gather the weights for the first process."""
        state: dict[str, Any] = whole(self._module.state_dict())
        return state

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take this process's part of a checkpoint's weights."""
        own = self._module.state_dict()
        state = {n: part_like(own.get(n), value) for n, value in checkpoint["state_dict"].items()}
        self._module.load_state_dict(state, strict=strict)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Gather the optimizer's state for the first process."""
        state: dict[str, Any] = whole(optimizer.state_dict())
        return state

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's part of a checkpoint's optimizer state."""
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            state = {
                index: {key: part_like(parameters[index], value) for key, value in entries.items()}
                for index, entries in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load a whole checkpoint in every process."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)

    @property
    def _module(self) -> nn.Module:
        module = self.lightning_module
        if module is None:
            raise RuntimeError("the strategy has no module yet")
        return module


def shard(unet: nn.Module, projector: nn.Module, mesh: DeviceMesh) -> None:
    """Share out a U-Net, block by block, and a projector, in place.

    Args:
        unet: a diffusers U-Net; as in every process.
        projector: as in every process.
        mesh: the processes, in one dimension.
    """
    for part in (*unet_blocks(unet), unet, projector):
        # Also the outermost: after a validation nothing else would let its weights go.
        fully_shard(part, mesh=mesh, reshard_after_forward=True)


def unet_blocks(unet: Any) -> list[nn.Module]:
    """Return the blocks that are gathered one after the other."""
    blocks = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)
    return [block for block in blocks if block is not None]


def hollow(module: Module) -> Module:
    """Copy a module without its weights: the parameters are on the meta device."""
    parameters = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad)
        for p in module.parameters()
    }
    return deepcopy(module, parameters)


def fill(shell: Module, sharded: nn.Module) -> Module:
    """Return a sharded module as it was before, in evaluation mode.

    Every process has to call it; what it returns has weights, on the CPU, in the first one alone.

    Args:
        shell: what ``hollow`` made of it; stays hollow.
        sharded: with the weights.
    """
    filled = deepcopy(shell)
    filled.load_state_dict(whole(sharded.state_dict()), assign=True)
    return filled.eval()


def whole(tree: Any) -> Any:
    """Gather what is sharded in nested containers for the first process.

    Every process has to call it.  The first one gets whole tensors on the CPU, the others tensors
    on the meta device, lest each of them hold everything.
    """

    def gather(part: DTensor) -> Tensor:
        tensor = part.full_tensor()
        is_first = part.device_mesh.get_rank() == 0
        return tensor.cpu() if is_first else torch.empty_like(tensor, device="meta")

    return tree_map_only(DTensor, gather, tree)


def gathered(tensor: Tensor) -> Tensor:
    """Return a tensor that may be sharded as a whole one, in every process; all have to call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local_part(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor that may be sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_like(sharded: Any, value: Any) -> Any:
    """Return this process's part of a whole tensor that belongs to a sharded one.

    Args:
        sharded: the one it belongs to.
        value: returned as it is unless it has the shape of ``sharded`` and that is sharded.
    """
    if not (isinstance(sharded, DTensor) and isinstance(value, Tensor)):
        return value
    if value.shape != sharded.shape:
        return value
    mesh, placements = sharded.device_mesh, sharded.placements
    # A copy: the part alone would keep the whole in memory.
    return distribute_tensor(value, mesh, placements, src_data_rank=None).clone()
