import json
from pathlib import Path

import pytest
from tests.helpers.stores import store_info

from diffmvr.clip_store import StoreInfo
from diffmvr.clip_store.info import read_info


def test_json_gives_the_same_info_back(tmp_path: Path) -> None:
    info = store_info(settings={"box": (1, 2), "name": "Ä"})
    (tmp_path / "store.json").write_text(info.to_json(clips=3), encoding="utf-8")
    assert read_info(tmp_path) == info
    assert read_info(tmp_path).differences(info) == []
    assert json.loads(info.to_json(clips=3))["content"] == {"clips": 3}


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"size: .* got 0"):
        StoreInfo(0)
    with pytest.raises(ValueError, match=r"clear_threshold: .* got 2"):
        StoreInfo(32, clear_threshold=2)
    with pytest.raises(ValueError, match=r"image_suffix: .* got '.bmp'"):
        StoreInfo(32, image_suffix=".bmp")
    with pytest.raises(ValueError, match="settings: expected values that JSON can hold"):
        StoreInfo(32, settings={"path": Path("x")})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": 1}', '{"version": 99}'])
def test_a_file_that_is_no_info_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(ValueError, match=r"store\.json cannot be used"):
        read_info(tmp_path)
