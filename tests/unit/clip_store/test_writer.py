import pickle
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.helpers.fresh import fresh_processes
from tests.helpers.store_processes import write_and_die, write_many
from tests.helpers.stores import SIZE, add_noise, noise, store_info, store_row, write_store

from diffmvr.clip_store import ClipStore, ClipStoreWriter, StoreBusyError, recording_writer
from diffmvr.clip_store.info import INFO_NAME

CLEAR = np.zeros((SIZE, SIZE), np.uint8)


def files_of(root: Path) -> set[str]:
    """Every file that a reader could take for content."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".lock")
    }


def test_a_recording_appears_with_its_clips_and_skipped_frames(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path / "store", store_info())
    with writer.recording("visit") as out:
        add_noise(out, "visit_0", 2)
        skipped = {"subject": "anna", "source_frame": 4, "skip_reason": "no face"}
        assert out.add_frame(None, None, None, skipped) is None
        add_noise(out, "visit_1", 3)
        assert out.clips == ("visit_0", "visit_1")
        assert not writer.is_complete("visit")
    assert writer.is_complete("visit")
    manifest = writer.finish()
    assert manifest["frame"].to_list() == [0, 1, None, 0, 1, 2]
    assert manifest["clip"].to_list() == ["visit_0"] * 2 + [None] + ["visit_1"] * 3
    assert manifest["skip_reason"].to_list() == [None, None, "no face", None, None, None]
    store = ClipStore(writer.root)
    assert store.verify() == []
    assert store.clip_ids == ("visit_0", "visit_1")


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info())
    before = files_of(tmp_path)
    with pytest.raises(OSError, match="disk full"), writer.recording("visit") as out:
        add_noise(out, "visit", 2)
        raise OSError("disk full")
    assert files_of(tmp_path) == before
    assert not writer.is_complete("visit")


@pytest.mark.parametrize("survived", range(5))
def test_an_error_while_committing_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    # Two clips are four folders to move; the fifth move is the part of the manifest.
    writer = ClipStoreWriter(tmp_path, store_info())
    before = files_of(tmp_path)
    moves = iter(range(100))
    move = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if next(moves) == survived:
            raise OSError("disk full")
        return move(self, target)

    with pytest.raises(OSError, match="disk full"), writer.recording("visit") as out:
        add_noise(out, "a", 2)
        add_noise(out, "b", 2)
        monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.undo()
    assert files_of(tmp_path) == before
    with writer.recording("visit") as out:
        add_noise(out, "a", 2)
    writer.finish()
    assert ClipStore(tmp_path).verify() == []


@pytest.mark.parametrize("moves", [-1, 0, 1, 3, 4])
def test_a_kill_leaves_nothing_that_is_taken_for_whole(tmp_path: Path, moves: int) -> None:
    context = fresh_processes()
    worker = context.Process(target=write_and_die, args=(tmp_path, moves))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    writer = ClipStoreWriter(tmp_path, store_info())
    assert not writer.is_complete("visit")
    assert files_of(tmp_path) == {"store.json"}
    with writer.recording("visit") as out:
        add_noise(out, "a", 2)
        add_noise(out, "b", 1)
    assert len(writer.finish()) == 3
    assert ClipStore(tmp_path).verify() == []


def test_two_processes_write_one_store(tmp_path: Path) -> None:
    context = fresh_processes()
    barrier = context.Barrier(2)
    workers = [context.Process(target=write_many, args=(tmp_path, w, barrier)) for w in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    store = ClipStore(tmp_path)
    assert len(store.clip_ids) == 10
    assert store.verify() == []


def test_what_is_half_made_is_never_taken_for_a_strangers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may look at any moment; it knows a store by its file of settings."""
    make = Path.mkdir

    def watched(path: Path, *args: Any, **options: Any) -> None:
        make(path, *args, **options)
        if path.parent == tmp_path:
            assert (tmp_path / INFO_NAME).is_file(), f"{path.name} came before it"

    monkeypatch.setattr(Path, "mkdir", watched)
    ClipStoreWriter(tmp_path, store_info())


def test_one_recording_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = ClipStoreWriter(tmp_path, store_info())
    with first.recording("visit") as out:
        add_noise(out, "visit", 1)
        # Opening the store again does not touch what is being written.
        second = ClipStoreWriter(tmp_path, store_info())
        with pytest.raises(StoreBusyError, match="'visit' is being written"):
            second.recording("visit").__enter__()
        with second.recording("other") as other:
            add_noise(other, "other", 1)
        add_noise(out, "later", 1)
    first.finish()
    assert ClipStore(tmp_path).verify() == []


def test_a_complete_recording_is_not_written_twice(tmp_path: Path) -> None:
    write_store(tmp_path, {"visit": ("anna", 1, range(0))})
    writer = ClipStoreWriter(tmp_path, store_info())
    assert writer.is_complete("visit")
    with pytest.raises(ValueError, match="'visit' is already in"):
        writer.recording("visit").__enter__()


def test_a_store_grows_by_recordings(tmp_path: Path) -> None:
    write_store(tmp_path, {"one": ("anna", 1, range(0))})
    writer = ClipStoreWriter(tmp_path, store_info())
    with writer.recording("two") as out:
        add_noise(out, "two", 2, subject="ben")
    # Until it is finished again, readers see the store as it was.
    assert ClipStore(tmp_path).clip_ids == ("one",)
    writer.finish()
    assert ClipStore(tmp_path).clip_ids == ("one", "two")


def test_a_writer_can_be_sent_to_another_process(tmp_path: Path) -> None:
    writer = pickle.loads(pickle.dumps(ClipStoreWriter(tmp_path, store_info())))
    with writer.recording("visit") as out:
        add_noise(out, "visit", 1)
    assert writer.is_complete("visit")


def test_long_recordings_become_columns_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_writer, "CHUNK", 4)
    write_store(tmp_path, {"visit": ("anna", 11, range(3, 5))})
    manifest = ClipStore(tmp_path).manifest
    assert manifest["frame"].to_list() == list(range(11))
    assert manifest.filter(pl.col("occluded_share") > 0)["frame"].to_list() == [3, 4]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    with ClipStoreWriter(tmp_path, store_info()).recording("visit") as out:
        add_noise(out, "visit", 2)
    ClipStoreWriter(tmp_path, store_info(tools={"opencv": "5.0"}))
    with pytest.raises(ValueError, match=r"size 64 is not 32"):
        ClipStoreWriter(tmp_path, store_info(size=64))
    with pytest.raises(ValueError, match=r"settings\.fps None is not 20"):
        ClipStoreWriter(tmp_path, store_info(settings={"mask": "given"}))
    with pytest.raises(ValueError, match=r"weights\.face 'cd34' is not 'ab12'"):
        ClipStoreWriter(tmp_path, store_info(weights={"face": "cd34"}))


def test_where_nothing_came_of_a_run_other_settings_may_be_tried(tmp_path: Path) -> None:
    before = ClipStoreWriter(tmp_path, store_info())
    before.note_failures({"visit": "damaged"})
    ClipStoreWriter(tmp_path, store_info(size=64))
    # A run that is still there does not write into a store of the other kind.
    with pytest.raises(ValueError, match=r"size 32 is not 64"), before.recording("visit"):
        pass
    with before_ends(tmp_path), pytest.raises(ValueError, match=r"size 32 is not 64"):
        ClipStoreWriter(tmp_path, store_info())


@contextmanager
def before_ends(root: Path) -> Iterator[None]:
    """Within it a run with a side of 64 is at work on its first recording."""
    try:
        with ClipStoreWriter(root, store_info(size=64)).recording("first"):
            yield
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(ValueError, match=r"no clip store \(it holds 'photo\.jpg'\)"):
        ClipStoreWriter(tmp_path, store_info())
    with pytest.raises(ValueError, match=r"photo\.jpg is a file"):
        ClipStoreWriter(tmp_path / "photo.jpg", store_info())


def test_a_clips_name_belongs_to_one_recording(tmp_path: Path) -> None:
    write_store(tmp_path, {"a_1": ("anna", 1, range(0))})
    writer = ClipStoreWriter(tmp_path, store_info())
    # File systems may not tell A_1 from a_1.
    with pytest.raises(ValueError, match="'A_1' of recording 'a'"), writer.recording("a") as out:
        add_noise(out, "A_1", 2)
    writer.finish()
    assert ClipStore(tmp_path).verify() == []
    assert len(ClipStore(tmp_path).read("a_1")) == 1


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a:b", "end ", "tab\t", "x" * 201])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    writer = ClipStoreWriter(tmp_path, store_info())
    with pytest.raises(ValueError, match="recording: expected"):
        writer.recording(name).__enter__()


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info())
    with writer.recording("visit") as out:
        with pytest.raises(ValueError, match=r"image: expected shape \(32, 32, 3\), got \(31"):
            out.add_frame("visit", noise(0, 31), CLEAR, store_row(0))
        with pytest.raises(ValueError, match="0/1 in the mask, got uint8 and uint8 up to 255"):
            out.add_frame("visit", noise(0), CLEAR + 255, store_row(0))
        with pytest.raises(ValueError, match="image given, mask absent"):
            out.add_frame("visit", noise(0), None, store_row(0))
        with pytest.raises(ValueError, match=r"must fill \['crop'\]"):
            out.add_frame("visit", noise(0), CLEAR, store_row(0, crop=None))
        with pytest.raises(ValueError, match=r"MANIFEST_SCHEMA, got \['frame'\]"):
            out.add_frame("visit", noise(0), CLEAR, store_row(0, frame=0))
        with pytest.raises(ValueError, match="no skip_reason, got 'no face'"):
            out.add_frame("visit", noise(0), CLEAR, store_row(0, skip_reason="no face"))
        with pytest.raises(ValueError, match=r"must fill \['skip_reason'\]"):
            out.add_frame("visit", None, None, {"subject": "anna"})
        with pytest.raises(ValueError, match="past_index=3, past_age=1"):
            out.add_frame("visit", noise(0), CLEAR, store_row(0, past_index=3, past_age=1))
        with pytest.raises(ValueError, match="crop: expected the 6 numbers"):
            out.add_frame("visit", noise(0), CLEAR, store_row(0, crop=[1.0, 2.0]))
        out.add_frame("visit", noise(0), CLEAR, store_row(0))
    writer.finish()
    assert ClipStore(tmp_path).verify() == []


def test_a_recording_shows_one_person(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info())
    with (
        pytest.raises(ValueError, match=r"one person, got \['anna', 'ben'\]"),
        writer.recording("visit") as out,
    ):
        add_noise(out, "visit", 1, "anna")
        add_noise(out, "visit", 1, "ben")


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info())
    with pytest.raises(ValueError, match="no frame of 'visit'"), writer.recording("visit"):
        pass
