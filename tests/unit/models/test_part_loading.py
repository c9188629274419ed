"""A part is what its folder says, or the folder is named."""

import json
import shutil
from pathlib import Path

import pytest
from diffusers import EulerDiscreteScheduler

from diffmvr.models.part_loading import load_scheduler, load_vae


def test_any_sampler_in_the_folder_becomes_ddim_without_clipping(tmp_path: Path) -> None:
    EulerDiscreteScheduler(beta_schedule="scaled_linear").save_pretrained(tmp_path / "scheduler")
    scheduler = load_scheduler(tmp_path / "scheduler")
    assert type(scheduler).__name__ == "DDIMScheduler"
    assert scheduler.config.clip_sample is False
    assert scheduler.config.beta_schedule == "scaled_linear"


def test_an_unknown_autoencoder_is_named(frozen_parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vae"
    with pytest.raises(FileNotFoundError, match="no autoencoder in"):
        load_vae(folder)
    shutil.copytree(frozen_parts / "vae", folder)
    config = json.loads((folder / "config.json").read_text())
    for name in ("AutoencoderOfTheFuture", "UNet2DModel"):
        (folder / "config.json").write_text(json.dumps({**config, "_class_name": name}))
        with pytest.raises(ValueError, match=rf"_class_name: .*, got .{name}."):
            load_vae(folder)
