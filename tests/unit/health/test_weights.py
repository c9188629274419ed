from pathlib import Path

import pytest

from diffmvr.config import config_dir
from diffmvr.health.weights import (
    check_full_size,
    check_landmarker,
    check_metric_networks,
    check_shipped,
)


def test_absent_shipped_weights_break_the_default_path(tmp_path: Path) -> None:
    states = {finding.name: finding.state for finding in check_shipped(tmp_path)}
    assert states["shipped: diffmvr-tiny"] == states["shipped: tiny-base"] == "error"
    assert states["shipped: expression-tiny"] == "warning"
    (tmp_path / "tiny-base" / "unet").mkdir(parents=True)
    (tmp_path / "tiny-base" / "unet" / "a.safetensors").touch()
    assert check_shipped(tmp_path)[0].state == "ok"


def test_full_size_weights_are_looked_for_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    base, inpainting, tower = check_full_size()
    assert {one.state for one in (base, inpainting, tower)} == {"note"}
    assert base.remedy.startswith("hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --incl")
    assert "open_clip_model.safetensors" in tower.remedy
    assert check_full_size(str(tmp_path))[0].state == "ok"


def test_metric_networks_are_those_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "i3d_torchscript.pt").touch()
    found = {one.name: one for one in check_metric_networks(config_dir(), tmp_path)}
    assert found.keys() == {"lpips", "fid", "fvd", "vfid"}
    assert found["fvd"].state == "ok" and found["fid"].state == "note"
    assert str(tmp_path / "pt_inception-2015-12-05-6726825d.pth") in found["fid"].found


def test_a_named_bundle_that_is_absent_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)
    assert check_landmarker(None).state == "note"
    assert check_landmarker(str(tmp_path / "x.task")).state == "warning"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "face_landmarker.task").touch()
    monkeypatch.setenv("DIFFMVR_SHARED", str(tmp_path))
    assert check_landmarker(None).state == "ok"
