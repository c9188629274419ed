"""A hash follows the content, and nothing else."""

import hashlib
from pathlib import Path

from diffmvr.digests import hash_files


def test_a_file_is_named_as_sha256sum_does(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(range(256)) * 5000)
    assert hash_files(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"second")
    (tmp_path / "a").write_bytes(b"first")
    assert hash_files(tmp_path) == hashlib.sha256(b"firstsecond").hexdigest()


def test_the_hash_of_weights_follows_their_content(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"a")
    before = hash_files(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    assert hash_files(tmp_path) == before
    (tmp_path / "weights").write_bytes(b"b")
    assert hash_files(tmp_path) != before
