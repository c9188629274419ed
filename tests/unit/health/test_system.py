from pathlib import Path

import av
import pytest

from diffmvr.health import system
from diffmvr.health.system import check_codecs, check_device, check_disk, check_graphics


def test_this_machine_can_do_what_the_default_path_needs(tmp_path: Path) -> None:
    findings = [*check_device(), *check_codecs(), *check_disk(tmp_path, tmp_path)]
    assert not [finding for finding in findings if finding.state == "error"]
    assert any(finding.name.startswith("GPU") for finding in findings)


def test_a_missing_codec_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def codec(name: str, mode: str) -> None:
        if name in ("libx264", "aac"):
            raise ValueError(name)

    monkeypatch.setattr(av, "Codec", codec)
    states = {finding.name: finding.state for finding in check_codecs()}
    assert states["libx264"] == "error" and states["aac"] == "warning" and states["h264"] == "ok"


def test_missing_graphics_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "GL_LIBRARIES", ("libNoSuchThing.so.1",))
    (finding,) = check_graphics()
    assert finding.state in ("note", "warning") and "libNoSuchThing.so.1" in finding.found
    assert finding.remedy.startswith("apt-get install")


def test_a_place_that_cannot_be_written_is_an_error() -> None:
    # Not even root may.
    output, *_ = check_disk(Path("/proc/runs"), Path("/"))
    assert output.state == "error" and output.found


def test_too_little_room_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = type("Usage", (), {"free": 2 * system.GIB})
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _path: usage)
    output, cache, _ = check_disk(tmp_path / "not" / "yet", tmp_path)
    assert output.state == cache.state == "note" and "2.0 GiB free" in output.found
    usage.free = system.GIB // 2
    output, cache, _ = check_disk(tmp_path, tmp_path)
    assert (output.state, cache.state) == ("error", "warning")
