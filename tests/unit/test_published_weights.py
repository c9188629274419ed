from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from diffmvr.config import weights_dir
from diffmvr.files import hash_files
from diffmvr.models.base_checkpoint import HUB_PATTERNS, SD15_ID
from diffmvr.published_weights import SUMS_FILE, check_known, named_in, published_weights
from diffmvr.tensor_files import read_tensors


def test_the_list_agrees_with_the_code_that_reads_the_weights() -> None:
    found = published_weights()
    assert found["sd15"].repository == SD15_ID
    assert found["sd15"].files == HUB_PATTERNS
    for name, tower, tag in (
        ("vit_l_14", "ViT-L-14", "openai"),
        ("vit_h_14", "ViT-H-14", "laion2b_s32b_b79k"),
    ):
        known = open_clip.get_pretrained_cfg(tower, tag)["hf_hub"].rstrip("/")
        assert found[name].repository == known


@pytest.mark.parametrize("name", published_weights())
def test_every_entry_can_be_fetched_by_hand(name: str) -> None:
    one = published_weights()[name]
    assert one.url.startswith("https://") or one.repository.count("/") == 1
    assert "PLACE" in one.command("PLACE") and "PLACE" not in one.command()
    assert f"weights where {name}" in one.remedy()
    told = one.repository or one.file
    assert named_in(f"weights not present: /somewhere/{told}") == one


def test_a_file_is_compared_with_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"abc")
    one = replace(published_weights()["lama"], md5="900150983cd24fb0d6963f7d28e17f72")
    assert one.check(path) == "MD5 as listed"
    begins = replace(one, md5="", sha256_begins="ba7816bf")
    assert begins.check(path) == "SHA-256 as listed"
    assert "none is known" in replace(one, md5="").check(path)
    with pytest.raises(ValueError, match=r"x\.pt: expected the SHA-256 ab of lama, got ba; .*curl"):
        replace(one, md5="", sha256_begins="ab").check(path)


def test_every_file_of_weights_that_ships_is_listed_with_its_hash() -> None:
    folder = weights_dir()
    lines = (folder / SUMS_FILE).read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    kinds = (".safetensors", ".onnx", ".pt", ".task")
    files = [file for file in folder.rglob("*") if file.suffix in kinds]
    assert listed == {f.relative_to(folder).as_posix(): hash_files(f) for f in files}


def test_a_damaged_file_that_ships_is_told_with_both_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, file = tmp_path / "own.safetensors", tmp_path / "shipped.safetensors"
    save_file({"a": torch.ones(3)}, file)
    digest = hash_files(file)
    (tmp_path / SUMS_FILE).write_text(f"{digest}  {file.name}\n", encoding="utf-8")
    monkeypatch.setattr("diffmvr.published_weights.weights_dir", lambda: tmp_path)
    assert read_tensors(file)["a"].tolist() == [1.0, 1.0, 1.0]
    # What is read again is looked at again once it has changed; one's own is one's own.
    save_file({"a": torch.zeros(3)}, right)
    assert not read_tensors(right)["a"].any()
    save_file({"a": torch.full((3,), 2.0)}, file)
    with pytest.raises(ValueError, match=r"shipped.*anew$") as error:
        read_tensors(file)
    assert digest in str(error.value) and hash_files(file) in str(error.value)


def test_a_published_name_holds_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    torch.save({"a": torch.ones(3)}, path)
    with pytest.raises(ValueError, match=r"alexnet.*: expected the SHA-256 7be5be79 of lpips, got"):
        read_tensors(path)


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights_dir() / "expression-tiny" / "diffusion_pytorch_model.safetensors"
    check_known(file)
    monkeypatch.setattr("hashlib.file_digest", None)
    check_known(file)
