"""Where a run goes on from, and what it leaves behind."""

from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import build_tiny, fingerprint, tiny_module

from diffmvr.models.components import load_components
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.training.checkpoints import check_checkpoint, find_checkpoint, save_model
from diffmvr.training.model_card import write_model_card


def test_finding(tmp_path: Path) -> None:
    last = tmp_path / "last.ckpt"
    last.touch()
    assert find_checkpoint(None, tmp_path) is None
    assert find_checkpoint("last", tmp_path) == str(last)
    assert find_checkpoint(str(last), tmp_path / "elsewhere") == str(last)


@pytest.mark.parametrize("asked", ["last", "runs/none.ckpt"])
def test_nothing_to_find(tmp_path: Path, asked: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"ckpt_path={asked}: no checkpoint at .*\.ckpt"):
        find_checkpoint(asked, tmp_path)


def test_a_checkpoint_that_fits(frozen_parts: Path, tmp_path: Path) -> None:
    module = tiny_module(frozen_parts)
    torch.save({"state_dict": module.state_dict()}, tmp_path / "a.ckpt")
    check_checkpoint(str(tmp_path / "a.ckpt"), tiny_module(frozen_parts))


def test_a_checkpoint_of_another_architecture(frozen_parts: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "a.ckpt")
    both = tiny_module(frozen_parts, GuideSettings(pathway="both"))
    torch.save({"state_dict": both.state_dict()}, path)
    attention = tiny_module(frozen_parts, GuideSettings(pathway="attention"))
    with pytest.raises(
        ValueError,
        match=r"ckpt_path: .*a\.ckpt holds another architecture: 1 weights differ, .*"
        r"unet\.conv_in\.weight: \(32, 17, 3, 3\) in the checkpoint, \(32, 9, 3, 3\) in the model",
    ):
        check_checkpoint(path, attention)
    past = tiny_module(frozen_parts, GuideSettings(kinds=("past",), scales=(1.0,), pathway="both"))
    with pytest.raises(ValueError, match=r"projector\..*symmetric.*absent in the model"):
        check_checkpoint(path, past)


@pytest.mark.parametrize("content", ["text", "tensor", "pickle", "empty"])
def test_a_file_that_is_no_checkpoint(frozen_parts: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ckpt"
    if content == "text":
        path.write_text("not a checkpoint")
    elif content == "empty":
        path.touch()
    else:
        torch.save(torch.zeros(3) if content == "tensor" else {"weights": Path("x")}, path)
    with pytest.raises(ValueError, match=r"ckpt_path: .*a\.ckpt is not a checkpoint"):
        check_checkpoint(str(path), tiny_module(frozen_parts))


def test_a_saved_model_is_whole_and_replaces_the_old_one(
    frozen_parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").touch()
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    save_model(components, folder, {"seed": 7})
    assert not (folder / "old.txt").exists() and not (tmp_path / "model.partial").exists()
    assert "- **seed**: 7" in (folder / "README.md").read_text()
    loaded = load_components(folder)
    assert fingerprint(loaded.unet) == fingerprint(components.unet)
    assert fingerprint(loaded.projector) == fingerprint(components.projector)
    assert fingerprint(loaded.vae) == fingerprint(components.vae)


def test_a_model_card_is_markdown(tmp_path: Path) -> None:
    write_model_card(tmp_path, "A tower", {"seed": 1, "steps": 20}, {"top-1 (held out)": 0.51234})
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("---\nlicense: apache-2.0\n") and "# A tower" in text
    assert "- **steps**: 20" in text and "| top-1 (held out) | 0.5123 |" in text
