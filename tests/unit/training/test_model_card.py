from pathlib import Path

from diffmvr.files import read_json, write_json
from diffmvr.models.stable_diffusion import UNET_CONFIG
from diffmvr.text import without_places
from diffmvr.training.model_card import card_body, card_licence, licence_of, write_model_card


def test_a_card_is_read_back(tmp_path: Path) -> None:
    assert card_licence(tmp_path) is None and card_body(tmp_path) == ""
    write_model_card(tmp_path, "Title", {"seed": 1}, {"psnr": 20.123}, licence="mit")
    assert card_licence(tmp_path) == "mit"
    expected = "- **seed**: 1 | score | value | |---|---| | psnr | 20.12 |"
    assert card_body(tmp_path).split() == expected.split()


def test_what_came_from_stable_diffusion_stays_under_its_licence() -> None:
    assert licence_of(UNET_CONFIG) == "creativeml-openrail-m"
    tuples = {**UNET_CONFIG, "block_out_channels": tuple(UNET_CONFIG["block_out_channels"])}
    assert licence_of({**tuples, "in_channels": 9}) == "creativeml-openrail-m"
    assert licence_of({**UNET_CONFIG, "cross_attention_dim": 96}) == "apache-2.0"


def test_paths_lose_where_they_were() -> None:
    assert without_places("root=/home/me/ward 7") == "root=…/ward 7"
    assert without_places("a '/a/b/c.mp4', ~/x/y") == "a '…/c.mp4', …/y"
    kept = "python -m diffmvr.train a/b outputs/x 3/4 https://x.org/a/b / |---|"
    assert without_places(kept) == kept


def test_settings_lose_where_they_were_however_deep() -> None:
    settings = {"root": "/home/anna lee/store", "n": 1, "many": ["~/x/y", None, {"base": "sd/1.5"}]}
    told = {"root": "…/store", "n": 1, "many": ["…/y", None, {"base": "sd/1.5"}]}
    assert without_places(settings) == told
    assert without_places("data.root=/home/anna lee/my store") == "data.root=…/my store"


def test_a_model_folder_does_not_tell_what_it_was_loaded_from(tmp_path: Path) -> None:
    write_json(tmp_path / "vae" / "config.json", {"_name_or_path": "/home/anna/vae", "size": 64})
    write_json(tmp_path / "model_index.json", {"vae": ["diffusers", "AutoencoderKL"]})
    facts = {"data": "/home/anna/store", "command": "python -m x data.root=/home/anna/store"}
    write_model_card(tmp_path, "Title", facts, {})
    assert read_json(tmp_path / "vae" / "config.json") == {"size": 64}
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3 and not [text for text in files if "anna" in text]
    assert "- **data**: …/store" in card_body(tmp_path)
