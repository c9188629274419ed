"""Every metric gives one number, however the samples are spread over processes."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tests.helpers.fresh import METHOD, fresh_processes
from tests.helpers.metric_cases import CASES, VIDEOS, fed, values
from torch.multiprocessing.spawn import start_processes


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting-point", rank=rank, world_size=2
    )
    # Uneven on purpose: three videos here, two there.
    shards = {name: fed(name, range(rank, VIDEOS, 2)) for name in CASES}
    results = {name: values(metric.compute()) for name, metric in shards.items()}
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    fresh_processes()
    start_processes(_worker, (str(tmp_path),), nprocs=2, start_method=METHOD)
    expected = {name: values(fed(name, range(VIDEOS)).compute()) for name in CASES}
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name in CASES:
            assert results[name] == pytest.approx(expected[name], rel=1e-12), (rank, name)
