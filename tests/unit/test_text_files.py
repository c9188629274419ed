"""A text file is the same on every machine."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def without_encoding(code: str) -> Iterator[int]:
    """Lines that read or write text in whatever encoding the machine has."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_text = node.func.attr in ("read_text", "write_text")
            if is_text and all(given.arg != "encoding" for given in node.keywords):
                yield node.lineno


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    assert list(without_encoding('path.read_text()\npath.write_text(t, encoding="utf-8")')) == [1]
    files = [
        path
        for folder in ("src", "benchmarks", "experiments")
        for path in (REPOSITORY / folder).rglob("*.py")
    ]
    assert len(files) > 300
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in files
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert found == []
