"""Fixtures shared by the test tree."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import save_frozen_parts


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Small tensors are slower on several threads, and a fixed number keeps sums the same."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def frozen_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random ``vae/`` and ``image_encoder/``."""
    return save_frozen_parts(tmp_path_factory.mktemp("frozen"))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Hydra gives the root logger handlers on the streams of the test that ran it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
