"""A table is read and written by the path that is given, whatever a pattern or a URL could be."""

import re
from pathlib import Path

import polars as pl
import pytest
from tests.helpers.awkward_names import AWKWARD_NAMES

from diffmvr.config import PACKAGE
from diffmvr.table_io import read_table, write_table

FRAME = pl.DataFrame({"clip": ["=1+1", "b"], "value": [1.0, None]})


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".CSV"])
@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_any_name_of_a_folder_and_a_file(name: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path = folder / f"{name}{suffix}"
    write_table(FRAME, path)
    assert [entry.name for entry in folder.iterdir()] == [path.name]
    assert read_table(path).equals(FRAME)


def test_brackets_do_not_read_the_neighbour(tmp_path: Path) -> None:
    for name, value in (("a1", "the neighbour"), ("a[1]", "itself")):
        write_table(pl.DataFrame({"clip": [value]}), tmp_path / f"{name}.parquet")
    assert read_table(tmp_path / "a[1].parquet")["clip"].to_list() == ["itself"]


def test_what_looks_like_a_url_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:a.parquet", "http:a.csv"):
        write_table(FRAME, Path(name))
        assert read_table(Path(name)).equals(FRAME)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file:a.parquet", "http:a.csv"]


def test_compressed_tables_and_unknown_endings(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(FRAME, path, compression_level=19)
    assert read_table(path).equals(FRAME)
    with pytest.raises(ValueError, match=r"expected a \.parquet or \.csv file, got 'a\.txt'"):
        read_table(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"expected a \.parquet or \.csv file, got 'a\.txt'"):
        write_table(FRAME, tmp_path / "a.txt")


def test_nobody_else_reads_or_writes_tables_by_path() -> None:
    by_path = re.compile(r"\b(pl\.(read|scan)_|\w+\.(write|sink)_(parquet|csv|ndjson|ipc)\b)")
    users = {file.name for file in PACKAGE.rglob("*.py") if by_path.search(file.read_text("utf-8"))}
    assert users == {"table_io.py"}
