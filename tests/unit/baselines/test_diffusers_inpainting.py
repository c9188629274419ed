"""The text-guided adapters, on tiny checkpoints in diffusers' real layout."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.clips import OCCLUDER, moving_clip
from tests.helpers.text_inpainter import (
    save_original_layout,
    save_text_inpainter,
    tiny_text_inpainter,
)

from diffmvr.baselines.diffusers_inpainting import DiffusersInpainting
from diffmvr.checks import WeightsNotPresentError

CLIP = moving_clip(frames=5, size=48, arrival=2)
HIDDEN = CLIP.mask == 1
HUB_ID = "sd2-community/stable-diffusion-2-inpainting"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError(f"tried to connect to {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_inpainter(tmp_path_factory.mktemp("checkpoint") / "inpainter")


def restorer(folder: Path | None, **changes: Any) -> DiffusersInpainting:
    settings: dict[str, Any] = {"resolution": 64, "num_inference_steps": 2, "device": "cpu"}
    return DiffusersInpainting("stabilityai", folder, **{**settings, **changes})


@pytest.fixture(scope="module")
def restored(folder: Path) -> np.ndarray:
    return restorer(folder).restore(CLIP)


def test_the_hole_is_painted_and_the_rest_is_untouched(restored: np.ndarray) -> None:
    assert restored.dtype == np.uint8 and restored.shape == CLIP.observed.shape
    np.testing.assert_array_equal(restored[~HIDDEN], CLIP.observed[~HIDDEN])
    assert not (restored[HIDDEN] == OCCLUDER).all(axis=-1).any()
    assert restored[HIDDEN].std() > 0


def test_what_the_occluder_looks_like_does_not_matter(folder: Path, restored: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, CLIP.observed.shape, dtype=np.uint8)
    other = replace(CLIP, observed=np.where(HIDDEN[..., None], noise, CLIP.observed), frames=None)
    np.testing.assert_array_equal(restorer(folder).restore(other), restored)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_batch_size_changes_nothing_but_rounding(
    folder: Path, restored: np.ndarray, batch_size: int
) -> None:
    other = restorer(folder, batch_size=batch_size).restore(CLIP)
    assert np.abs(other.astype(int) - restored).max() <= 1


def test_the_noise_follows_from_seed_and_clip(folder: Path, restored: np.ndarray) -> None:
    np.testing.assert_array_equal(restorer(folder).restore(CLIP), restored)
    assert (restorer(folder, seed=1).restore(CLIP) != restored).any()
    renamed = replace(CLIP, clip_id="another")
    assert (restorer(folder).restore(renamed) != restored).any()


def test_the_same_frame_is_painted_the_same_throughout_a_clip(folder: Path) -> None:
    still = replace(CLIP, observed=CLIP.observed[[2] * 5], mask=CLIP.mask[[2] * 5])
    painted = restorer(folder, batch_size=2).restore(still).astype(int)
    assert np.abs(painted - painted[0]).max() <= 1


@pytest.mark.parametrize("change", [{"prompt": "a cat"}, {"guidance_scale": 1.0}])
def test_the_prompt_and_the_guidance_matter(
    folder: Path, restored: np.ndarray, change: dict[str, Any]
) -> None:
    assert (restorer(folder, **change).restore(CLIP) != restored).any()


def test_frames_without_a_hole_are_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = restorer(folder, batch_size=2)
    counts = []
    inner = adapter._pipeline

    class Counting:
        vae_scale_factor = inner.vae_scale_factor

        def __call__(self, **inputs: Any) -> Any:
            counts.append(len(inputs["image"]))
            return inner(**inputs)

    monkeypatch.setattr(adapter, "_pipeline", Counting())
    adapter.restore(CLIP)
    assert counts == [2, 1], "three of five frames have a hole"


def test_clips_that_are_not_square_keep_their_shape(folder: Path) -> None:
    wide = replace(CLIP, observed=CLIP.observed[:, :40], mask=CLIP.mask[:, :40], frames=None)
    painted = restorer(folder).restore(wide)
    assert painted.shape == wide.observed.shape
    np.testing.assert_array_equal(painted[wide.mask == 0], wide.observed[wide.mask == 0])


def test_a_text_to_image_network_works_too(tmp_path: Path) -> None:
    plain = save_text_inpainter(tmp_path / "plain", in_channels=4)
    noise = np.random.default_rng(0).integers(0, 256, CLIP.observed.shape, dtype=np.uint8)
    other = replace(CLIP, observed=np.where(HIDDEN[..., None], noise, CLIP.observed))
    first, second = (restorer(plain).restore(clip) for clip in (CLIP, other))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[~HIDDEN], CLIP.observed[~HIDDEN])


def test_a_checkpoint_with_a_safety_checker_is_loaded_without(folder: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    shutil.copytree(folder, published)
    index = json.loads((published / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = True
    (published / "model_index.json").write_text(json.dumps(index))
    restorer(published).restore(CLIP)


def test_a_hub_id_in_the_cache_needs_no_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored: np.ndarray
) -> None:
    snapshot = tmp_path / f"models--{HUB_ID.replace('/', '--')}" / "snapshots" / "abc"
    shutil.copytree(folder, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    np.testing.assert_array_equal(restorer(None, hub_id=HUB_ID).restore(CLIP), restored)
    np.testing.assert_array_equal(restorer(HUB_ID).restore(CLIP), restored)


def test_one_file_in_the_original_layout_is_the_same_model(
    folder: Path, tmp_path: Path, restored: np.ndarray
) -> None:
    file = save_original_layout(tiny_text_inpainter(), tmp_path / "model.safetensors")
    configs = tmp_path / "configs"
    shutil.copytree(folder, configs, ignore=shutil.ignore_patterns("*.safetensors"))
    np.testing.assert_array_equal(restorer(file, configs=configs).restore(CLIP), restored)


def test_missing_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: {HUB_ID} in the hub's cache; run `hf download {HUB_ID} "
        r"--include .*`, or give a folder or a \.safetensors file as "
        r"baselines\.stabilityai\.weights=PATH$",
    ):
        restorer(None, hub_id=HUB_ID)
    absent = tmp_path / "absent"
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: {absent}; run `hf download {HUB_ID} .*-dir {absent}`$",
    ):
        restorer(absent, hub_id=HUB_ID)
    with pytest.raises(
        WeightsNotPresentError,
        match=r"^weights not present: baselines\.stabilityai\.weights=null; make them with `tune`, "
        r"then give the folder it names as baselines\.stabilityai\.weights=FOLDER$",
    ):
        restorer(None, made_by="tune")
    with pytest.raises(
        WeightsNotPresentError, match=rf"^weights not present: {absent}; make them with `tune`$"
    ):
        restorer(absent, made_by="tune")


def test_a_half_downloaded_checkpoint_counts_as_missing(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    shutil.rmtree(part / "vae")
    with pytest.raises(
        WeightsNotPresentError, match=r"weights not present: .*part/vae/\*\.safetensors; run `hf"
    ):
        restorer(part, hub_id=HUB_ID)
    (part / "model_index.json").unlink()
    with pytest.raises(WeightsNotPresentError, match=r"not present: .*part/model_index\.json; run"):
        restorer(part, hub_id=HUB_ID)


def test_files_of_another_kind_are_refused(tmp_path: Path, folder: Path) -> None:
    pickled = tmp_path / "model.ckpt"
    pickled.touch()
    with pytest.raises(ValueError, match=r"baselines\.stabilityai\.weights: .*got .*model\.ckpt"):
        restorer(pickled)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    for file in (broken / "unet").glob("*.safetensors"):
        file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"weights: .*broken is no text-guided inpainter"):
        restorer(broken)
    single = tmp_path / "single.safetensors"
    single.write_bytes(b"nothing")
    with pytest.raises(
        WeightsNotPresentError,
        match=r"weights not present: model_index\.json of .*, which the single file .*single",
    ):
        restorer(single, configs=tmp_path)
    with pytest.raises(ValueError, match=r"weights: .*single\.safetensors is no text-guided"):
        restorer(single, configs=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 0}, r"resolution: expected a number in \[8, 8192\], got 0"),
        ({"num_inference_steps": 0}, r"num_inference_steps: .*got 0"),
        ({"guidance_scale": 0.5}, r"guidance_scale: .*got 0\.5"),
        ({"batch_size": 0}, r"batch_size: .*got 0"),
        ({"dtype": "int8"}, r"dtype: expected one of .*got 'int8'"),
    ],
)
def test_settings_out_of_range_are_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        restorer(folder, **change)
