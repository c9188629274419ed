"""A checkpoint is whole or absent, says when it was damaged, and runs nothing."""

import logging
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from diffmvr.runs import checkpoint_io
from diffmvr.runs.checkpoint_io import (
    DamagedCheckpointError,
    VerifiedCheckpointIO,
    read_checkpoint,
    verify_checkpoint,
)

CONTENT = {"global_step": 7, "names": ["a", "b"]}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    weights = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    VerifiedCheckpointIO().save_checkpoint({**CONTENT, "state_dict": {"w": weights}}, path)
    return path


def refused(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    try:
        VerifiedCheckpointIO().load_checkpoint(path)
    except DamagedCheckpointError:
        return True
    return False


def test_what_is_saved_is_loaded_by_us_and_by_everybody(saved: Path) -> None:
    ours, mapped = VerifiedCheckpointIO().load_checkpoint(saved), read_checkpoint(saved, mmap=True)
    theirs = torch.load(saved, weights_only=True)
    for content in (ours, mapped, theirs):
        assert {key: content[key] for key in CONTENT} == CONTENT
        assert torch.equal(content["state_dict"]["w"], theirs["state_dict"]["w"])
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"sha256:") and len(archive.comment) == 71


def test_every_single_bit_counts(saved: Path, tmp_path: Path) -> None:
    data, other = saved.read_bytes(), tmp_path / "other.ckpt"
    rng = np.random.default_rng(0)
    # The directory and the comment at the end are where a reader is most easily led astray.
    places = [*rng.integers(len(data), size=60), *range(len(data) - 120, len(data))]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        assert refused(bytes(flipped), other), f"byte {place} of {len(data)}"


def test_a_file_cut_short_or_grown_is_refused(saved: Path, tmp_path: Path) -> None:
    data, other = saved.read_bytes(), tmp_path / "other.ckpt"
    cuts = [0, 1, 21, 22, 100, len(data) // 2, *range(len(data) - 96, len(data))]
    assert all(refused(data[:cut], other) for cut in cuts)
    assert refused(data + b"\0", other) and refused(b"\0" + data, other)
    assert not refused(data, other)


def test_the_message_names_the_file(saved: Path) -> None:
    os.truncate(saved, 1000)
    with pytest.raises(DamagedCheckpointError, match=r"last\.ckpt: damaged.* its 1,000 bytes"):
        read_checkpoint(saved)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*absent\.ckpt"):
        read_checkpoint(saved.with_name("absent.ckpt"))


def test_a_plain_file_of_torch_is_checked_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plain.ckpt"
    torch.save({"w": torch.zeros(1000)}, path)
    with caplog.at_level(logging.WARNING):
        assert read_checkpoint(path)["w"].shape == (1000,)
    assert "plain.ckpt: carries no SHA-256" in caplog.text
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedCheckpointError, match=r"plain/data/0 does not have its CRC-32"):
        read_checkpoint(path)


class Harm:
    """A pickle that would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_pickle_is_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "harm.ckpt", tmp_path / "harmed"
    VerifiedCheckpointIO().save_checkpoint({"state_dict": {}, "x": Harm(mark)}, path)
    with pytest.raises(DamagedCheckpointError, match=r"harm\.ckpt: not a checkpoint: Weights only"):
        VerifiedCheckpointIO().load_checkpoint(path)
    with pytest.raises(ValueError, match="weights_only: expected True, got False"):
        VerifiedCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not mark.exists()


def test_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    VerifiedCheckpointIO().save_checkpoint(torch.zeros(3), tmp_path / "tensor.ckpt")
    with pytest.raises(DamagedCheckpointError, match="it holds a Tensor, not a dict"):
        read_checkpoint(tmp_path / "tensor.ckpt")


def test_a_save_that_fails_leaves_the_old_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(checkpoint_io.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        VerifiedCheckpointIO().save_checkpoint({"global_step": 8}, saved)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_what_a_kill_left_half_written_is_removed(saved: Path) -> None:
    half = saved.with_name("step9.ckpt.partial")
    half.write_bytes(b"half")
    VerifiedCheckpointIO().save_checkpoint(CONTENT, saved)
    assert not half.exists() and read_checkpoint(saved) == CONTENT


def test_removing(saved: Path) -> None:
    VerifiedCheckpointIO().remove_checkpoint(saved)
    VerifiedCheckpointIO().remove_checkpoint(saved)
    with pytest.raises(FileNotFoundError):
        verify_checkpoint(saved)


def test_nothing_but_a_checkpoint_of_the_runs_own_folder_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "run" / "checkpoints"
    own.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (own / "link").symlink_to(tmp_path / "elsewhere")
    others = [
        own.parent / "a.ckpt",
        tmp_path / "elsewhere" / "a.ckpt",
        own / "notes.txt",
    ]
    for file in (*others, own / "a.ckpt"):
        file.touch()
    io = VerifiedCheckpointIO([own])
    named = [
        own / ".." / "a.ckpt",
        own / "link" / "a.ckpt",
        own / "notes.txt",
        *others,
        own,
        "..",
        "",
    ]
    for count, path in enumerate(named, 1):
        io.remove_checkpoint(path)
        assert (
            caplog.text.count("is no checkpoint of this run's folder, and is not removed") == count
        )
    assert all(file.exists() for file in (*others, own / "a.ckpt"))
    io.remove_checkpoint(tmp_path / "run" / "." / "checkpoints" / "a.ckpt")
    assert not (own / "a.ckpt").exists()
