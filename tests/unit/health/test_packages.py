from importlib import metadata
from pathlib import Path

import pytest

from diffmvr.health.finding import Finding
from diffmvr.health.packages import check_packages, known_bad, read_constraints


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("lightning", "2.6.2", "steals credentials"),
        ("pytorch-lightning", "2.6.3", "steals credentials"),
        ("ultralytics", "8.3.45", "mines coins"),
        ("hydra-core", "1.3.2", "run any code"),
        ("torch", "2.9.1+cu128", "CVE-2026-24747"),
    ],
)
def test_versions_that_must_not_run_are_errors(name: str, version: str, why: str) -> None:
    (finding,) = known_bad({name: version, "numpy": "2.0"})
    assert (finding.name, finding.state) == (name, "error")
    assert version in finding.found and why in finding.found
    assert finding.remedy == f"pip install --upgrade '{name}!={version}'"


def test_good_versions_are_not(tmp_path: Path) -> None:
    good = {
        "lightning": "2.6.6",
        "hydra-core": "1.3.8",
        "torch": "2.10.0",
        "ultralytics": "8.4.190",
    }
    assert known_bad(good) == []


def test_what_is_asked_for_is_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = [
        "rich>=1",
        "polars>=9999",
        "no-such-package>=2",
        'pytest>=1; extra == "dev"',
    ]
    monkeypatch.setattr(metadata, "requires", lambda _name: asked)
    rich = metadata.version("rich")
    (tmp_path / "constraints.txt").write_text("# tried\nrich==0.1  # long ago\n\n")
    found = by_name(check_packages(tmp_path / "constraints.txt"))
    assert found["rich"].state == "note" and found["rich"].found == f"{rich}; tried with 0.1"
    assert found["polars"].state == "error" and "needed >=9999" in found["polars"].found
    assert found["no-such-package"].state == "error"
    assert found["no-such-package"].remedy == "pip install 'no-such-package>=2'"
    assert "pytest" not in found and found["Python"].state == "ok"
    assert by_name(check_packages())["rich"].state == "ok"


def test_constraints_are_read_by_canonical_name(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("ast_serialize==1\nhuggingface_hub==2.4.0\n")
    assert read_constraints(tmp_path / "c.txt") == {
        "ast-serialize": "1",
        "huggingface-hub": "2.4.0",
    }
    assert read_constraints(None) == {} and read_constraints(tmp_path / "none") == {}
