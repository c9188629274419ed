"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from diffmvr.config import PACKAGE

MODULES = [
    ".".join(("diffmvr", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def test_there_are_examples() -> None:
    assert {"diffmvr.text", "diffmvr.losses.motion"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_an_example_gives_what_it_says(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted and not result.failed
