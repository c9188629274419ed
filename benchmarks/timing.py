"""Measure how long things take and how much memory they need.

Every figure is the median of several repeats after a warm-up, with its quartiles.  Beside the time
on the clock stands the CPU time of this process: on a machine that others use too, the clock also
counts their work.
"""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


def synchronize(device: torch.device) -> None:
    """Wait until the accelerator has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def spread(values: list[float]) -> dict[str, float | int]:
    """Return the median and the quartiles of repeated measurements."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return {
        "median": float(median),
        "lower_quartile": float(low),
        "upper_quartile": float(high),
        "repeats": len(values),
    }


def interleave(
    functions: Mapping[str, Callable[[], Any]],
    repeats: int,
    warmup: int,
    device: torch.device,
) -> dict[str, dict[str, Any]]:
    """Time functions in turns, so that what slows the machine down for a while slows all of them.

    Args:
        functions: what is to be timed, by name.
        repeats: measurements of each.
        warmup: calls of each before.
        device: where they run.

    Returns:
        For each name ``seconds`` and ``cpu_seconds`` as :func:`spread` gives them.
    """
    for _ in range(warmup):
        for function in functions.values():
            function()
    wall: dict[str, list[float]] = defaultdict(list)
    busy: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for name, function in functions.items():
            synchronize(device)
            start, start_busy = time.perf_counter(), time.process_time()
            function()
            synchronize(device)
            wall[name].append(time.perf_counter() - start)
            busy[name].append(time.process_time() - start_busy)
    return {
        name: {"seconds": spread(wall[name]), "cpu_seconds": spread(busy[name])}
        for name in functions
    }


def measure(
    function: Callable[[], Any], repeats: int, warmup: int, device: torch.device
) -> dict[str, Any]:
    """Time one function; see :func:`interleave`."""
    return interleave({"it": function}, repeats, warmup, device)["it"]


class StageClock:
    """Adds up the time spent in chosen methods of live objects.

    Args:
        device: where they run; it is waited for before and after each call, so that a stage's time
            is its own (and the whole takes a little longer than without the clock).
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._methods: list[tuple[Any, str, str]] = []
        self.spent: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def add(self, stage: str, owner: Any, method: str = "forward") -> None:
        """Count a method's time as a stage's."""
        self._methods.append((owner, method, stage))
        self.spent[stage], self.calls[stage] = 0.0, 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start at zero and put the clock on, and take it off after."""
        self.spent = dict.fromkeys(self.spent, 0.0)
        self.calls = dict.fromkeys(self.calls, 0)
        for owner, method, stage in self._methods:
            setattr(owner, method, self._timed(getattr(owner, method), stage))
        try:
            yield
        finally:
            for owner, method, _ in self._methods:
                delattr(owner, method)

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            synchronize(self._device)
            start = time.perf_counter()
            result = function(*args, **kwargs)
            synchronize(self._device)
            self.spent[stage] += time.perf_counter() - start
            self.calls[stage] += 1
            return result

        return call


class PeakMemory:
    """The most memory that was held within a ``with`` block.

    On a GPU it is what torch had allocated there.  On a CPU it is the resident memory of the whole
    process, libraries and model included; its mark is reset before (Linux), and where that is not
    possible it is the mark since the process began.

    Args:
        device: whose memory.

    Attributes:
        mib: in MiB, after the block.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.mib = 0.0

    def __enter__(self) -> "PeakMemory":
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _reset_resident_mark()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            self.mib = torch.cuda.max_memory_allocated(self._device) / 2**20
        else:
            self.mib = _resident_mark()


def _reset_resident_mark() -> None:
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5", encoding="utf-8")


def _resident_mark() -> float:
    """Return MiB."""
    path = Path("/proc/self/status")
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)
