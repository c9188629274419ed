"""Stores from strangers: no name and no link in one reaches anything outside of it."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.helpers.stores import add_noise, store_info, write_store

from diffmvr.clip_store import ClipStore, ClipStoreWriter
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting.store_sheet import save_sheets

BAD_NAMES = ("../../precious", "/{tmp}/precious", "..", "a/b", "a\\b", "\x1b[2J")


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder outside the store that must stay."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("four years")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", {"visit": ("anna", 2, range(0))})


def rename(path: Path, column: str, name: str, to: Path | None = None) -> None:
    """Put another name into a manifest."""
    target = to or path
    target.parent.mkdir(parents=True, exist_ok=True)
    pl.read_parquet(path).with_columns(pl.lit(name).alias(column)).write_parquet(target)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_store_cannot_delete_a_folder_by_the_names_of_a_broken_commit(
    tmp_path: Path, store: Path, precious: Path, name: str
) -> None:
    name = name.format(tmp=str(tmp_path).lstrip("/"))
    rename(store / "manifest.parquet", "clip", name, store / ".staging/visit/manifest.parquet")
    with pytest.raises(ValueError, match=r"\.staging.*clip: expected a plain name") as caught:
        ClipStoreWriter(store, store_info())
    assert repr(name) in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (precious / "thesis.txt").read_text() == "four years"
    assert any("staging" in problem for problem in ClipStore(store).verify())


def test_a_broken_commit_tells_of_its_own_recording_alone(store: Path) -> None:
    rename(store / "manifest.parquet", "state", "x", store / ".staging/other/manifest.parquet")
    with pytest.raises(ValueError, match="tells of 'visit', not of 'other'"):
        ClipStoreWriter(store, store_info())
    assert ClipStore(store).read("visit").observed.shape[0] == 2


@pytest.mark.parametrize("column", ["clip", "recording"])
def test_a_name_that_leads_out_of_the_store_is_found_when_it_is_read(
    store: Path, column: str
) -> None:
    rename(store / "recordings/visit.parquet", column, "../../x")
    found = ClipStore(store).verify()
    assert [column in problem and "'../../x'" in problem for problem in found] == [True]
    with pytest.raises(ValueError, match=rf"visit\.parquet, {column}: expected a plain name"):
        ClipStoreWriter(store, store_info()).finish()
    rename(store / "manifest.parquet", column, "../../x")
    with pytest.raises(ValueError, match=rf"manifest\.parquet, {column}: expected a plain name"):
        ClipStore(store)


def test_rows_without_a_name_are_refused(store: Path) -> None:
    rename(store / "manifest.parquet", "clip", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"other columns than a manifest: .'clip'"):
        ClipStore(store)
    path = store / "recordings/visit.parquet"
    nothing = pl.lit(None, pl.String).alias("clip")
    pl.read_parquet(path).with_columns(nothing).write_parquet(store / "manifest.parquet")
    with pytest.raises(ValueError, match="a row without a name"):
        ClipStore(store)


def link_folder(name: str) -> Callable[[Path, Path], None]:
    def link(store: Path, target: Path) -> None:
        (store / name).rename(store.parent / "moved")
        (store / name).symlink_to(target, target_is_directory=True)

    return link


def link_staging(store: Path, target: Path) -> None:
    (target / "JPEGImages").mkdir()
    (store / ".staging").mkdir(exist_ok=True)
    (store / ".staging/old").symlink_to(target, target_is_directory=True)


def link_lock(store: Path, target: Path) -> None:
    (store / ".lock").unlink(missing_ok=True)
    (store / ".lock").symlink_to(target / "thesis.txt")


@pytest.mark.parametrize(
    "link", [link_folder("JPEGImages"), link_folder("recordings"), link_staging, link_lock]
)
def test_a_link_that_leads_out_of_a_store_is_not_followed_when_writing(
    store: Path, precious: Path, link: Callable[[Path, Path], None]
) -> None:
    link(store, precious)
    before = sorted(path.name for path in precious.rglob("*"))
    with pytest.raises(ValueError, match=r"expected a place below .*store, got .*precious"):
        ClipStoreWriter(store, store_info())
    assert sorted(path.name for path in precious.rglob("*")) == before
    assert (precious / "thesis.txt").read_text() == "four years"
    assert any("leads out of the store" in problem for problem in ClipStore(store).verify())


def test_sheets_are_not_written_through_a_link(store: Path, precious: Path) -> None:
    (store / "sheets").symlink_to(precious, target_is_directory=True)
    guides = AutomaticGuides(("symmetric", "past"), 0.005, "similarity")
    with pytest.raises(ValueError, match="expected a place below"):
        save_sheets(ClipStore(store), guides)
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]


def test_a_store_reached_by_a_link_is_a_store(tmp_path: Path, store: Path) -> None:
    (tmp_path / "shortcut").symlink_to(store, target_is_directory=True)
    writer = ClipStoreWriter(tmp_path / "shortcut", store_info())
    with writer.recording("later") as out:
        add_noise(out, "later", 1)
    writer.finish()
    assert ClipStore(store).verify() == []
