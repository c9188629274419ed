"""Fixtures shared by the test tree.

Torch is imported where it is used: the process that hands the tests out to others starts without.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


def one_thread() -> None:
    """Small tensors are slower on several threads, and a fixed number keeps sums the same."""
    import torch

    torch.set_num_threads(1)


def pytest_runtest_setup() -> None:
    # The test before may have run an entry point, which has set its own number.
    one_thread()


def pytest_runtest_call() -> None:
    # So may a fixture.
    one_thread()


@pytest.fixture(scope="session")
def frozen_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random ``vae/`` and ``image_encoder/``."""
    from tests.helpers.tiny import save_frozen_parts

    return save_frozen_parts(tmp_path_factory.mktemp("frozen"))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Hydra gives the root logger handlers on the streams of the test that ran it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide, and as plain, whatever terminal the tests are started from."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
