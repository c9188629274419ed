from dataclasses import replace
from pathlib import Path

import open_clip
import pytest

from diffmvr.models.base_checkpoint import HUB_PATTERNS, SD15_ID
from diffmvr.published_weights import named_in, published_weights


def test_the_list_agrees_with_the_code_that_reads_the_weights() -> None:
    found = published_weights()
    assert found["sd15"].repository == SD15_ID
    assert found["sd15"].files == HUB_PATTERNS
    for name, tower, tag in (
        ("vit_l_14", "ViT-L-14", "openai"),
        ("vit_h_14", "ViT-H-14", "laion2b_s32b_b79k"),
    ):
        known = open_clip.get_pretrained_cfg(tower, tag)["hf_hub"].rstrip("/")
        assert found[name].repository == known


@pytest.mark.parametrize("name", published_weights())
def test_every_entry_can_be_fetched_by_hand(name: str) -> None:
    one = published_weights()[name]
    assert one.url.startswith("https://") or one.repository.count("/") == 1
    assert "PLACE" in one.command("PLACE") and "PLACE" not in one.command()
    assert f"weights where {name}" in one.remedy()
    told = one.repository or one.file
    assert named_in(f"weights not present: /somewhere/{told}") == one


def test_a_file_is_compared_with_what_was_published(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"abc")
    one = replace(published_weights()["lama"], md5="900150983cd24fb0d6963f7d28e17f72")
    assert one.check(path) == "MD5 as listed"
    begins = replace(one, md5="", sha256_begins="ba7816bf")
    assert begins.check(path) == "SHA-256 as listed"
    assert "none is known" in replace(one, md5="").check(path)
    with pytest.raises(ValueError, match=r"x\.pt: expected the SHA-256 ab of lama, got ba; .*curl"):
        replace(one, md5="", sha256_begins="ab").check(path)
