"""Rivals of our own training: what they are loaded from, and what they leave alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.clips import moving_clip

from diffmvr.baselines.learned import LearnedInpainter, load_inpainter
from diffmvr.baselines.padding import pad_to_multiple
from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.fourier_inpainter import FourierInpainter
from diffmvr.models.temporal_inpainter import TemporalInpainter

MADE_BY = "python -m diffmvr.train_inpainter inpainter=fourier"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random networks, saved as training saves them."""
    root = tmp_path_factory.mktemp("rivals")
    torch.manual_seed(0)
    networks = {
        "fourier": FourierInpainter(width=8, downsamplings=2, blocks=1),
        "temporal": TemporalInpainter(width=12, blocks=1, patch_sizes=(1, 2)),
    }
    for name, network in networks.items():
        network.half().save_pretrained(root / name)
    return {name: root / name for name in networks}


def rival(folders: dict[str, Path], kind: str, window: int = 16) -> LearnedInpainter:
    return LearnedInpainter(f"{kind}_inpainter", folders[kind], MADE_BY, window, device="cpu")


@pytest.mark.parametrize("kind", ["fourier", "temporal"])
@pytest.mark.parametrize("size", [48, 46])
def test_visible_pixels_are_untouched_whatever_the_size(
    folders: dict[str, Path], kind: str, size: int
) -> None:
    clip = moving_clip(size=size, shift=1)
    restored = rival(folders, kind).restore(clip)
    assert restored.dtype == np.uint8 and restored.shape == clip.observed.shape
    visible = clip.mask == 0
    np.testing.assert_array_equal(restored[visible], clip.observed[visible])
    assert (restored[~visible] != clip.observed[~visible]).any()


@pytest.mark.parametrize("kind", ["fourier", "temporal"])
def test_neither_the_truth_nor_the_occluder_matters(folders: dict[str, Path], kind: str) -> None:
    clip = moving_clip()
    restored = rival(folders, kind).restore(clip)
    noise = np.random.default_rng(0).integers(0, 256, clip.observed.shape, dtype=np.uint8)
    other = np.where(clip.mask[..., None] == 1, noise, clip.observed)
    np.testing.assert_array_equal(
        rival(folders, kind).restore(replace(clip, observed=other, frames=None)), restored
    )


def test_windows_cover_a_clip_and_none_is_short(folders: dict[str, Path]) -> None:
    clip = moving_clip(frames=7, shift=1)
    # Frame by frame it makes no difference how the clip is cut.
    whole = rival(folders, "fourier").restore(clip)
    np.testing.assert_array_equal(rival(folders, "fourier", window=3).restore(clip), whole)
    # Over time it does: the last frames are seen together with those before them.
    cut = rival(folders, "temporal", window=3).restore(clip)
    last = rival(folders, "temporal").restore(
        replace(
            clip,
            observed=clip.observed[4:],
            mask=clip.mask[4:],
            track=clip.track[4:],
            frames=None,
            frame_index=clip.frame_index[4:],
        )
    )
    np.testing.assert_array_equal(cut[6], last[2])


def test_a_rival_that_draws_no_numbers_names_the_frame(folders: dict[str, Path]) -> None:
    clip, broken = moving_clip(frames=7), rival(folders, "temporal", window=3)
    for parameter in broken.network.parameters():
        parameter.fill_(torch.inf)
    told = rf"temporal_inpainter, clip {clip.clip_id}: .* of frame {clip.frame_index[0]} infinite"
    with pytest.raises(ValueError, match=told):
        broken.restore(clip)


@pytest.mark.parametrize("kind", ["fourier", "temporal"])
def test_a_rivals_weights_that_are_no_numbers_are_named(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[kind], tmp_path / kind)
    file = folder / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    name = next(name for name, value in state.items() if value.is_floating_point())
    state[name].view(-1)[0] = torch.nan
    save_file(state, file)
    with pytest.raises(ValueError, match=rf"{file}: expected finite weights, got 1 of .* {name} "):
        load_inpainter(folder)


def test_what_is_loaded_is_what_was_saved(folders: dict[str, Path]) -> None:
    for kind, folder in folders.items():
        network = load_inpainter(folder)
        assert not network.training and not any(p.requires_grad for p in network.parameters())
        assert next(network.parameters()).dtype == torch.float32
        config = json.loads((folder / "config.json").read_text())
        assert type(network).__name__ == config["_class_name"], kind


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: {tmp_path}/none/config\.json; train them with `{MADE_BY}`, "
        r"then give the folder model/ of that run as baselines\.a\.weights=FOLDER$",
    ):
        LearnedInpainter("a", tmp_path / "none", MADE_BY)
    with pytest.raises(WeightsNotPresentError, match=r"present: baselines\.a\.weights=null; train"):
        LearnedInpainter("a", None, MADE_BY)


def test_a_folder_of_something_else_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"_class_name": "AutoencoderDC"}))
    with pytest.raises(ValueError, match=r"expected a network of .*, got 'AutoencoderDC'"):
        load_inpainter(tmp_path)
    config.write_text((folders["fourier"] / "config.json").read_text())
    with pytest.raises(WeightsNotPresentError, match=r"no safetensors weights in .*; expected"):
        load_inpainter(tmp_path)
    weights = "diffusion_pytorch_model.safetensors"
    (tmp_path / weights).write_bytes((folders["temporal"] / weights).read_bytes())
    with pytest.raises(ValueError, match=r"weights of another architecture: \d+ missing"):
        load_inpainter(tmp_path)


def test_padding_mirrors_the_last_rows_and_columns() -> None:
    images = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    padded = pad_to_multiple(images, 4)
    assert padded.shape == (2, 4, 8)
    np.testing.assert_array_equal(padded[:, :3, :5], images)
    np.testing.assert_array_equal(padded[:, 3, :5], images[:, 2])
    np.testing.assert_array_equal(padded[:, :3, 5:], images[:, :, [4, 3, 2]])
    assert pad_to_multiple(images[..., None], 1).shape == (2, 3, 5, 1)
