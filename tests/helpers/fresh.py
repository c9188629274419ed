"""Processes that have imported what they need and have run none of it.

A forked copy of a process that has trained, or used polars, holds locks and memory of threads that
it does not have: it hangs, or dies with "double free or corruption".  The product starts its ranks
with a command; here they come from a server, which costs one import for all of them.
"""

import multiprocessing
from multiprocessing.reduction import ForkingPickler
from typing import Any
from unittest.mock import patch

from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

from diffmvr.training.sharding import ShardedStrategy

METHOD = "forkserver"


def fresh_processes() -> Any:
    """A way to start them: a context of ``multiprocessing``."""
    context = multiprocessing.get_context(METHOD)
    # A process has one server, which every caller shares.
    context.set_forkserver_preload(["tests.helpers.fresh_imports"])
    return context


class FreshLauncher(_MultiProcessingLauncher):
    """Starts ranks that have their own copy of everything.

    Torch would send tensors as memory that all ranks share, and train them all in it.
    """

    def __init__(self, strategy: Any) -> None:
        fresh_processes()
        super().__init__(strategy, start_method=METHOD)

    def launch(self, *args: Any, **kwargs: Any) -> Any:
        reducers = ForkingPickler._extra_reducers
        plain = {k: v for k, v in reducers.items() if not k.__module__.startswith("torch")}
        with patch.dict(reducers, plain, clear=True):
            return super().launch(*args, **kwargs)


class FreshDDP(DDPStrategy):
    """Ranks of DDP in fresh processes."""

    def _configure_launcher(self) -> None:
        self._launcher = FreshLauncher(self)


class FreshShards(ShardedStrategy):
    """Ranks that share the weights out, in fresh processes."""

    def _configure_launcher(self) -> None:
        self._launcher = FreshLauncher(self)
