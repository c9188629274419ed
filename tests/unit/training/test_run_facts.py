"""What a run depends on counts by its files, wherever they are kept."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import zeros

from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.open_clip_weights import CONFIG_NAME, WEIGHTS_NAME
from diffmvr.training.run_facts import input_hashes


@pytest.mark.parametrize("given", ["file", "local-dir"])
def test_a_tower_counts_by_its_files(tmp_path: Path, given: str) -> None:
    file = tmp_path / WEIGHTS_NAME
    place = str(file) if given == "file" else f"local-dir:{tmp_path}"
    components = OmegaConf.create({"image_encoder": ["ViT-B-32", place]})
    seen = []
    for length in (1, 2, 2):
        save_file({"visual.proj": zeros(length)}, file)
        seen.append(input_hashes(components))
    assert seen[0] != seen[1] == seen[2]
    assert seen[0]["base"] == "" and len(seen[0]["image_encoder"]) == 64
    # What they were trained with is said there.
    (tmp_path / CONFIG_NAME).write_text("{}")
    assert input_hashes(components) != seen[2]
    random = OmegaConf.create({"image_encoder": ["ViT-B-32", None]})
    assert input_hashes(random) == {"base": "", "image_encoder": ""}


def test_frozen_parts_count_by_their_files(frozen_parts: Path, tmp_path: Path) -> None:
    folders = {name: str(frozen_parts / name) for name in ("vae", "image_encoder")}
    before = input_hashes(OmegaConf.create(folders))
    assert before["vae"] and before["image_encoder"] and before["vae"] != before["image_encoder"]
    save_file({"a": zeros(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    changed = input_hashes(OmegaConf.create({**folders, "image_encoder": str(tmp_path)}))
    assert changed["vae"] == before["vae"]
    assert changed["image_encoder"] != before["image_encoder"]


def test_the_model_that_ships_counts_by_its_base_alone() -> None:
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        components = compose("train").model.components
    assert list(input_hashes(components)) == ["base"]
