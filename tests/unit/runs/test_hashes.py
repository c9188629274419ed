"""Files count by what they hold, wherever they are kept."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save_file
from torch import zeros

from diffmvr.config import config_dir, register_resolvers
from diffmvr.models.open_clip_weights import CONFIG_NAME, WEIGHTS_NAME
from diffmvr.runs.hashes import input_hashes, scoring_hashes


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


def scoring(rival: dict[str, str | None]) -> DictConfig:
    """Return what of ``conf/evaluate.yaml`` names files: a rival, one nobody asks, a scorer."""
    return OmegaConf.create(
        {
            "baselines": {"rival": rival, "another": {"weights": rival["weights"]}},
            "scoring": {"frames": {"tower": {"folder": "absent/tower"}}},
        }
    )


def test_a_rival_counts_by_its_weights_as_soon_as_they_are_there(tmp_path: Path) -> None:
    file = tmp_path / "rival" / "unet" / "weights.safetensors"
    cfg = scoring({"weights": str(tmp_path / "rival"), "prompt": "remove hands"})
    seen = [scoring_hashes(cfg, ["rival", "telea"])]
    for length in (1, 2, 2):
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"a": zeros(length)}, file)
        seen.append(scoring_hashes(cfg, ["rival", "telea"]))
    assert seen[0] == {} and list(seen[1]) == ["baselines.rival.weights"]
    assert seen[1] != seen[2] == seen[3]
    # The same files elsewhere are the same rival; another name in the folder is not.
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "rival").rename(elsewhere)
    moved = scoring({"weights": str(elsewhere)})
    assert scoring_hashes(moved, ["rival"]) == seen[3]
    (elsewhere / "unet").rename(elsewhere / "vae")
    assert scoring_hashes(moved, ["rival"]) != seen[3]
    assert scoring_hashes(moved, ["telea"]) == {}


def test_a_rival_in_the_hubs_cache_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cfg = scoring({"weights": None, "hub_id": "someone/inpainting"})
    assert scoring_hashes(cfg, ["rival"]) == {}
    cached = tmp_path / "models--someone--inpainting"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    (cached / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file({"a": zeros(1)}, cached / "snapshots" / ("0" * 40) / "unet.safetensors")
    assert list(scoring_hashes(cfg, ["rival"])) == ["baselines.rival.weights"]
