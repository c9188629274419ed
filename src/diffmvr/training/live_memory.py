"""How many bytes of tensors are alive at once, counted while code runs."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def live_peak(function: Callable[[], Any], known: list[Tensor]) -> int:
    """Return the most bytes that were alive at once of what a function allocates.

    Args:
        function: what is run.
        known: tensors that were there before and do not count.
    """
    with _LiveBytes(known) as live:
        function()
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make, while they live."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        # Kept, so that no new storage gets the identity of one of these.
        self._before = [tensor.untyped_storage() for tensor in known]
        self._known = {storage._cdata for storage in self._before}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        identity = storage._cdata
        if identity in self._known:
            return
        self._known.add(identity)
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, identity, storage.nbytes())

    def _forget(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self._now -= size


def size_of(tensor: Tensor) -> int:
    """Return the bytes of a tensor."""
    return tensor.numel() * tensor.element_size()


def size_of_module(part: nn.Module) -> int:
    """Return the bytes of a module's parameters."""
    return sum(map(size_of, part.parameters()))
