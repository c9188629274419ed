"""Tensors of strangers' files: no code runs, every weight is finite, wrappers' names are read."""

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diffmvr.tensor_files import read_tensors, without_prefixes


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_prefixed_names_are_read_and_it_is_said(
    suffix: str, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, state = tmp_path / f"a{suffix}", {"conv.weight": torch.ones(2), "bias": torch.zeros(1)}
    saved = {prefix + name: value for name, value in state.items()}
    save_file(saved, path) if suffix == ".safetensors" else torch.save(saved, path)
    with caplog.at_level(logging.INFO):
        assert read_tensors(path).keys() == state.keys()
    assert ("2 names are prefixed, as torch.compile and DataParallel" in caplog.text) == bool(
        prefix
    )


def test_names_that_only_some_weights_share_stay() -> None:
    mixed = {"module.a": 1, "head.b": 2}
    assert without_prefixes(mixed, "FILE") == mixed
    assert without_prefixes({"unet._orig_mod.a": 1, "vae.b": 2}, "FILE") == {
        "unet.a": 1,
        "vae.b": 2,
    }
    twice = {"a._orig_mod.b": 1, "a.b": 2}
    assert without_prefixes(twice, "FILE") == twice


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"no such thing")
    with pytest.raises(ValueError, match=r"weights\.safetensors is no safetensors file"):
        read_tensors(path)


class Runs:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("content", ["code", "text", "number", "empty"])
def test_what_is_no_file_of_tensors_is_one_clear_line(content: str, tmp_path: Path) -> None:
    path, expected = tmp_path / "a.pth", r"a\.pth holds more than plain tensors, or is damaged"
    if content == "code":
        torch.save({"a": torch.ones(1), "b": Runs(tmp_path / "ran")}, path)
    elif content == "text":
        path.write_text("no weights")
    else:
        torch.save(3 if content == "number" else {}, path)
        expected = r"a\.pth: expected tensors by name, got (int|dict)"
    with pytest.raises(ValueError, match=expected) as raised:
        read_tensors(path)
    assert not (tmp_path / "ran").exists() and "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_weight_that_is_not_finite_is_named(
    value: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    path, broken = tmp_path / "a.safetensors", torch.zeros(4, 5, dtype=dtype)
    broken[1, 2] = value
    save_file({"fine": torch.ones(3), "count": torch.tensor(7), "layer.weight": broken}, path)
    expected = r"a\.safetensors: expected finite weights, got 1 of 20 values of layer\.weight"
    with pytest.raises(ValueError, match=expected):
        read_tensors(path)
