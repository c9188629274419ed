"""Where a base is."""

import time
from pathlib import Path

import pytest
import torch

from diffmvr.models.base_checkpoint import resolve_base, resolve_folder


def test_folders_and_single_files_are_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "v1-5.safetensors"
    file.touch()
    assert resolve_base(tmp_path) == tmp_path and resolve_base(str(file)) == file


def test_a_runs_folder_stands_for_its_model(tmp_path: Path) -> None:
    (tmp_path / "model" / "unet").mkdir(parents=True)
    assert resolve_folder(tmp_path) == resolve_folder(tmp_path / "model") == tmp_path / "model"


@pytest.mark.parametrize("name", ["nowhere", "absent.safetensors", "one/two/three"])
def test_an_absent_path_is_named_with_what_brings_the_weights(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=rf"no model folder at {tmp_path / name}; give .*`hf download stable-diffusion-v1-5/",
    ):
        resolve_base(tmp_path / name)


def test_a_hub_id_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = time.monotonic()
    with pytest.raises(
        FileNotFoundError,
        match=r"weights not present: nobody/nothing .*`hf download nobody/nothing .*"
        r"--local-dir weights/nothing`, then give model\.components\.base=weights/nothing",
    ):
        resolve_folder("nobody/nothing")
    assert time.monotonic() - start < 30, "retries take 47 s"


def test_pickles_and_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "v1-5.ckpt")
    with pytest.raises(ValueError, match=r"pickled \.ckpt weights are not read.*python -c"):
        resolve_base(tmp_path / "v1-5.ckpt")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"expected a folder or a \.safetensors file, got .*txt"):
        resolve_base(tmp_path / "notes.txt")
