"""A model folder's settings of a wrong kind are one clear line that names file and key."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest

from diffmvr.config import weights_dir
from diffmvr.models.base_checkpoint import part_folder
from diffmvr.models.components import load_components
from diffmvr.models.config_files import check_kinds, read_config
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.models.state_dicts import load_pretrained


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("diffmvr-tiny", "tiny-base", "expression-tiny"):
        shutil.copytree(weights_dir() / name, tmp_path / name)
    return tmp_path


UNET = "diffmvr-tiny/unet/config.json"
VAE = "tiny-base/vae/config.json"
SCHEDULE = "tiny-base/scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("file", "key", "value", "told"),
    [
        (UNET, "block_out_channels", "64", r"block_out_channels: expected a list of .*, got .64."),
        (
            UNET,
            "layers_per_block",
            10**9,
            r"layers_per_block: expected a whole number from 0 to 256",
        ),
        (UNET, "in_channels", -65, r"in_channels: expected a whole number .*, got -65"),
        (UNET, "norm_num_groups", True, r"norm_num_groups: expected a whole number .*, got True"),
        (
            UNET,
            "out_channels",
            {"a": 1},
            r"out_channels: expected a whole number .*, got \{'a': 1\}",
        ),
        (UNET, "act_fn", "unheard-of", r"its settings make no U-Net: .*unheard-of"),
        (UNET, "guide", [1], r"guide: expected settings by name, got \[1\]"),
        (UNET, "guide", {"kinds": 3}, r"guide: kinds: expected a list of a text, got 3"),
        (UNET, "guide", {"kind": "past"}, r"its settings make no guides: .*'kind'"),
        (VAE, "scaling_factor", float("nan"), r"scaling_factor: expected a finite number, got nan"),
        (
            VAE,
            "encoder_block_out_channels",
            [10**9],
            r"encoder_block_out_channels: expected a list of a whole number",
        ),
        (VAE, "_class_name", 7, r"_class_name: expected an autoencoder of diffusers, got 7"),
        (SCHEDULE, "num_train_timesteps", "1000", r"num_train_timesteps: .*, got '1000'"),
        (SCHEDULE, "prediction_type", "other", r"prediction_type: .*'v_prediction'.*, got 'other'"),
        (
            SCHEDULE,
            "beta_start",
            3.0,
            r"beta_start, beta_end: .* in \[0, 1\], got 3\.0 to 0\.0145",
        ),
        (
            "diffmvr-tiny/base.json",
            "base",
            None,
            r"base: expected the path of a model folder, got N",
        ),
        ("diffmvr-tiny/projector/config.json", "dropout", "x", r"dropout: .*number, got 'x'"),
        ("tiny-base/image_encoder/config.json", "heads", 0, r"its settings make no GuideEncoder: "),
    ],
)
def test_a_setting_of_a_wrong_kind_is_named_with_its_file(
    file: str, key: str, value: Any, told: str, models: Path
) -> None:
    path = models / file
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    name = path.relative_to(models).name
    with pytest.raises(ValueError, match=rf"{name}: {told}") as raised:
        load_components(models / "diffmvr-tiny")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", "[" * 100_000])
def test_what_is_no_json_object_is_one_line(text: str, models: Path) -> None:
    for part, load in (
        ("diffmvr-tiny/base.json", lambda: part_folder(models / "diffmvr-tiny", "vae")),
        (
            "expression-tiny/config.json",
            lambda: load_pretrained(ExpressionNetwork, models / "expression-tiny"),
        ),
    ):
        (models / part).write_text(text)
        with pytest.raises(ValueError, match=rf"{Path(part).name}: expected (JSON|settings)"):
            load()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (
            diffusers.UNet2DConditionModel,
            {"attention_head_dim": [5, 10], "cross_attention_dim": 768, "mid_block_type": None},
        ),
        (diffusers.AutoencoderKL, {"latents_mean": [0.1, 2], "shift_factor": None, "x": "unknown"}),
        (diffusers.DDIMScheduler, {"trained_betas": None, "steps_offset": 1, "beta_start": 1}),
    ],
)
def test_settings_as_published_pass(kind: Any, settings: dict[str, Any]) -> None:
    check_kinds(settings, kind, "FILE")


def test_every_shipped_file_of_settings_passes() -> None:
    for path in sorted(weights_dir().rglob("config.json")):
        named = read_config(path, None).get("_class_name")
        kind = getattr(diffusers, str(named), None)
        if kind is not None:
            read_config(path, kind)
