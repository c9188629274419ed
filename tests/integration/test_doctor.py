"""``python -m diffmvr.doctor``: a table for people, JSON for programs, an exit code for both."""

import io
import json
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from rich.console import Console

from diffmvr import doctor
from diffmvr.config import config_dir
from diffmvr.health.finding import Finding

AREAS = {"packages", "device", "video", "weights", "privacy", "licences", "disk"}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["doctor", *arguments])
    try:
        doctor.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_it_reports_as_json_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run(monkeypatch, "json=true")
    findings = json.loads(capsys.readouterr().out)
    assert {finding["area"] for finding in findings} == AREAS
    broken = [finding for finding in findings if finding["state"] == "error"]
    assert code == (1 if broken else 0)
    assert not [one for one in broken if one["area"] != "weights"], broken
    assert not any(tmp_path.iterdir())


def test_what_is_broken_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [Finding("weights", "shipped", "error", "absent", "install 'diffmvr[demo]'")]
    monkeypatch.setattr(doctor, "examine", lambda _cfg: bad)
    assert run(monkeypatch) == 1
    told = capsys.readouterr().out
    assert "install 'diffmvr[demo]'" in told and "1 error" in told
    monkeypatch.setattr(doctor, "examine", lambda _cfg: [])
    assert run(monkeypatch) == 0


def test_the_table_leaves_out_packages_in_order_unless_asked() -> None:
    findings = [Finding("packages", "rich", "ok", "15.0"), Finding("disk", "output", "ok", "/x")]
    for details in (False, True):
        text = io.StringIO()
        doctor.show(findings, details, Console(file=text, width=100))
        assert ("rich" in text.getvalue()) is details and "output" in text.getvalue()


def test_the_configuration_names_places() -> None:
    with initialize_config_dir(str(config_dir() / "doctor"), version_base="1.3"):
        cfg = compose("doctor", ["output=here", "base=there"])
    assert (cfg.output, cfg.base, cfg.json) == ("here", "there", False)
