"""Where a run goes on from, and what it leaves behind."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers.tiny import build_tiny, fingerprint, tiny_module

from diffmvr.models.components import load_components
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.runs.checkpoint_io import (
    DamagedCheckpointError,
    VerifiedCheckpointIO,
    newest_checkpoint,
)
from diffmvr.training.checkpoints import (
    LOOPS,
    PARTS,
    check_checkpoint,
    check_parts,
    find_checkpoint,
    save_model,
)
from diffmvr.training.model_card import write_model_card

NOW = 1_700_000_000


def save(content: Any, path: Path, age: int = 0) -> Path:
    """Write a checkpoint that is ``age`` seconds old."""
    VerifiedCheckpointIO().save_checkpoint(content, path)
    os.utime(path, (NOW - age, NOW - age))
    return path


def resumable(weights: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's content with every part that a run goes on from."""
    return {
        "state_dict": weights,
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "lr_schedulers": [{}],
        "callbacks": {},
        "loops": {"fit_loop": {key: {} for key in LOOPS}},
        "epoch": 0,
        "global_step": 3,
        "pytorch-lightning_version": "2.5.0",
    }


def test_finding(tmp_path: Path) -> None:
    last = save({}, tmp_path / "last.ckpt")
    assert find_checkpoint(None, tmp_path) is None
    assert find_checkpoint("last", tmp_path) == str(last)
    assert find_checkpoint(str(last), tmp_path / "elsewhere") == str(last)


@pytest.mark.parametrize("asked", ["last", "runs/none.ckpt"])
def test_nothing_to_find(tmp_path: Path, asked: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"ckpt_path={asked}: no checkpoint at .*\.ckpt"):
        find_checkpoint(asked, tmp_path)


def test_the_newest_that_is_whole_is_taken_and_the_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert newest_checkpoint(tmp_path) is None
    names = ("last", "step4", "interval-step3", "step2")
    files = [save({"n": n}, tmp_path / f"{n}.ckpt", age) for age, n in enumerate(names)]
    (tmp_path / "step9.ckpt.partial").write_bytes(b"half")
    for number, file in enumerate(files):
        assert newest_checkpoint(tmp_path) == file
        damaged = [path.name for path in files[:number]]
        assert all(f"{name}: damaged" in caplog.text for name in damaged)
        assert caplog.text.count("taking the one before") == number
        caplog.clear()
        os.truncate(file, file.stat().st_size - 1)
        os.utime(file, (NOW - number, NOW - number))
    with pytest.raises(
        DamagedCheckpointError,
        match=r"every checkpoint in it is damaged \(last\.ckpt, step4\.ckpt, .*remove the folder",
    ):
        newest_checkpoint(tmp_path)


def test_a_checkpoint_that_fits(frozen_parts: Path, tmp_path: Path) -> None:
    module = tiny_module(frozen_parts)
    path = save(resumable(module.state_dict()), tmp_path / "a.ckpt")
    check_checkpoint(str(path), tiny_module(frozen_parts))
    os.truncate(path, 5000)
    message = r"ckpt_path: .*a\.ckpt: damaged.* 5,000 bytes .*; name another one, or .*=last"
    with pytest.raises(DamagedCheckpointError, match=message):
        check_checkpoint(str(path), module)


def test_a_checkpoint_of_another_architecture(frozen_parts: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "a.ckpt")
    both = tiny_module(frozen_parts, GuideSettings(pathway="both"))
    save(resumable(both.state_dict()), Path(path))
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


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("value", ["text", None, "absent"])
def test_a_checkpoint_that_lacks_a_part_is_one_line(name: str, value: str | None) -> None:
    content = resumable({"w": torch.ones(1)})
    check_parts(content, "a.ckpt")
    if value == "absent":
        del content[name]
    else:
        content[name] = value if PARTS[name][0] is not str else 3
    told = rf"^ckpt_path: a\.ckpt lacks .*: expected {name} as a \w+, got (nothing|a \w+); "
    with pytest.raises(ValueError, match=told):
        check_parts(content, "a.ckpt")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("state_dict", {"w": "text"}, "expected Tensors, got 'text'"),
        ("optimizer_states", [{"state": {}}], r"expected param_groups, got \['state'\]"),
        ("lr_schedulers", [3], "expected dicts, got 3"),
        ("callbacks", {"EMACallback": [1]}, r"expected dicts, got \[1\]"),
        ("loops", {}, r"expected epoch_loop\.batch_progress, got None"),
        ("loops", {"fit_loop": {}}, r"expected epoch_loop\.batch_progress, got \[\]"),
    ],
)
def test_a_part_that_is_hollow_is_one_line(name: str, value: Any, told: str) -> None:
    content = {**resumable({"w": torch.ones(1)}), name: value}
    with pytest.raises(ValueError, match=rf"^ckpt_path: a\.ckpt: {name}: {told}; take"):
        check_parts(content, "a.ckpt")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_a_checkpoint_saved_in_a_wrapper_is_read(
    prefix: str, frozen_parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module, path = tiny_module(frozen_parts), tmp_path / "a.ckpt"
    own = module.state_dict()
    save(resumable({prefix + name: value for name, value in own.items()}), path)
    with caplog.at_level("INFO"):
        check_checkpoint(str(path), module)
    assert (
        f"names are prefixed, as torch.compile and DataParallel leave them ({prefix}" in caplog.text
    )
    module.load_state_dict(VerifiedCheckpointIO().load_checkpoint(path)["state_dict"])


def test_a_checkpoint_of_weights_that_are_no_numbers_is_named(
    frozen_parts: Path, tmp_path: Path
) -> None:
    module, path = tiny_module(frozen_parts), tmp_path / "a.ckpt"
    with torch.no_grad():
        module.unet.conv_out.bias[0] = torch.nan
    save(resumable(module.state_dict()), path)
    told = r"ckpt_path: .*a\.ckpt: expected finite weights, got 1 of \d+ values of unet\.conv_out"
    with pytest.raises(ValueError, match=told):
        check_checkpoint(str(path), module)


@pytest.mark.parametrize("content", ["text", "tensor", "pickle", "empty", "weights"])
def test_a_file_that_is_no_checkpoint(frozen_parts: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ckpt"
    if content == "text":
        path.write_text("not a checkpoint")
    elif content == "empty":
        path.touch()
    else:
        contents = {"tensor": torch.zeros(3), "pickle": {"w": Path("x")}, "weights": {"w": 1}}
        torch.save(contents[content], path)
    with pytest.raises(ValueError, match=r"ckpt_path: .*a\.ckpt.* (not a|no) checkpoint"):
        check_checkpoint(str(path), tiny_module(frozen_parts))


def test_a_saved_model_is_whole_and_replaces_the_old_one(
    frozen_parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").touch()
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    save_model(components, folder, {"seed": 7})
    assert not (folder / "old.txt").exists() and not list(tmp_path.glob("*.partial"))
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
