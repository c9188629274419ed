"""Published weights: the cache, one question to the hub, or what brings them."""

import time
from pathlib import Path
from typing import Any

import pytest

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models import hub

COMMAND = r"`hf download owner/name --include '\*\.json' --local-dir weights/name`"
ARGUMENTS: dict[str, Any] = {
    "repository": "owner/name",
    "patterns": ["*.json"],
    "needed": ["unet/config.json"],
    "folder": "weights/name",
    "setting": "base=weights/name",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def put_into(cache: Path, name: str) -> Path:
    """Lay a file out as the hub's client does."""
    folder = cache / "models--owner--name"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("abc")
    file = folder / "snapshots" / "abc" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    return folder / "snapshots" / "abc"


def test_offline_the_cache_is_all_there_is(cache: Path) -> None:
    start = time.monotonic()
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"weights not present: owner/name in the hub's cache, and HF_HUB_OFFLINE .*{COMMAND}"
        ", then give base=weights/name",
    ):
        hub.fetch(**ARGUMENTS)
    assert time.monotonic() - start < 30, "retries take 47 s"
    put_into(cache, "vae/config.json")
    with pytest.raises(WeightsNotPresentError, match="owner/name in the hub's cache"):
        hub.fetch(**ARGUMENTS)
    folder = put_into(cache, "unet/config.json")
    assert hub.fetch(**ARGUMENTS) == folder


@pytest.mark.parametrize("answer", ["no network", "incomplete", "whole"])
def test_the_hub_is_asked_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    asked: list[dict[str, Any]] = []

    def download(repository: str, local_files_only: bool = False, **settings: Any) -> str:
        if local_files_only:
            raise FileNotFoundError
        asked.append(settings)
        if answer == "no network":
            raise OSError("Got: ConnectError\nand more")
        put_into(tmp_path, "unet/config.json" if answer == "whole" else "README.md")
        return str(tmp_path / "models--owner--name" / "snapshots" / "abc")

    monkeypatch.setattr(hub, "snapshot_download", download)
    if answer == "whole":
        assert (hub.fetch(**ARGUMENTS) / "unet/config.json").is_file()
    else:
        told = r"does not give it \(Got: ConnectError\)" if answer == "no network" else "without"
        with pytest.raises(WeightsNotPresentError, match=rf"{told}.*{COMMAND}"):
            hub.fetch(**ARGUMENTS)
    assert asked == [{"allow_patterns": ["*.json"], "etag_timeout": 3.0}]
