"""Python and the packages: what the package asks for, what was tried together, what is bad."""

import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from diffmvr.health.finding import Finding

AREA = "packages"
DISTRIBUTION = "diffmvr"

KNOWN_BAD: Mapping[str, tuple[tuple[str, str], ...]] = {
    "lightning": (
        ("==2.6.2", "it steals credentials"),
        ("==2.6.3", "it steals credentials"),
    ),
    "pytorch-lightning": (
        ("==2.6.2", "it steals credentials"),
        ("==2.6.3", "it steals credentials"),
    ),
    "ultralytics": tuple(
        (f"==8.3.{patch}", "it mines coins on the machine") for patch in (41, 42, 45, 46)
    ),
    "hydra-core": (("<1.3.8", "a configuration can run any code"),),
    "torch": (("<2.10", "loading weights can run code (CVE-2026-24747)"),),
}
"""Versions that must not run, by package, each with the reason."""

EXTRAS: Mapping[str, tuple[str, str]] = {
    "ultralytics": ("detect", "finds faces and what hides them by itself"),
    "mediapipe": ("landmarks", "finds the midline of a face by its landmarks"),
    "gradio": ("demo", "shows a page to try it"),
    "cryptography": ("sign", "signs manifests, so that nobody else can edit an output"),
}
"""Optional packages: the extra that brings them, and what they are for."""


def check_packages(constraints: Path | None = None) -> list[Finding]:
    """Compare what is installed with what is asked for.

    Args:
        constraints: a file of versions that work together; None if there is none at hand.
    """
    versions = installed()
    tried = read_constraints(constraints)
    requirements = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    needed = [one for one in requirements if one.marker is None or one.marker.evaluate()]
    findings = [_python()]
    findings += [_requirement(one, versions, tried) for one in needed]
    findings += known_bad(versions)
    for name, (extra, purpose) in EXTRAS.items():
        if name not in versions:
            remedy = f"pip install '{DISTRIBUTION}[{extra}]'"
            findings.append(Finding(AREA, name, "note", f"absent; it {purpose}", remedy))
        elif not any(finding.name == name for finding in findings):
            findings.append(_tried(name, versions[name], tried))
    return findings


def installed() -> dict[str, str]:
    """Return the version of every installed distribution, by its canonical name."""
    return {
        str(canonicalize_name(one.metadata["Name"])): one.version
        for one in metadata.distributions()
        if one.metadata["Name"]
    }


def known_bad(versions: Mapping[str, str]) -> list[Finding]:
    """Return one error for each installed version that must not run."""
    return [
        Finding(
            AREA,
            name,
            "error",
            f"{versions[name]} must not run: {reason}",
            f"pip install --upgrade '{name}!={versions[name]}'",
        )
        for name, ranges in KNOWN_BAD.items()
        for bad, reason in ranges
        if name in versions and SpecifierSet(bad).contains(versions[name], prereleases=True)
    ]


def read_constraints(path: Path | None) -> dict[str, str]:
    """Return versions by canonical name; empty without a file."""
    if path is None or not path.is_file():
        return {}
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pinned = (line.partition("==") for line in lines if "==" in line)
    return {str(canonicalize_name(name)): version for name, _, version in pinned}


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036 - a wheel can be forced onto another
        return Finding(AREA, "Python", "error", version, "install Python 3.11 or 3.12")
    return Finding(AREA, "Python", "ok", version)


def _requirement(
    wanted: Requirement, versions: Mapping[str, str], tried: Mapping[str, str]
) -> Finding:
    name = str(canonicalize_name(wanted.name))
    version = versions.get(name)
    remedy = f"pip install '{wanted.name}{wanted.specifier}'"
    if version is None:
        return Finding(AREA, name, "error", "absent", remedy)
    if not wanted.specifier.contains(version, prereleases=True):
        return Finding(AREA, name, "error", f"{version}, needed {wanted.specifier}", remedy)
    return _tried(name, version, tried)


def _tried(name: str, version: str, tried: Mapping[str, str]) -> Finding:
    other = tried.get(name, version)
    if other.partition("+")[0] == version.partition("+")[0]:
        return Finding(AREA, name, "ok", version)
    remedy = "pip install -c constraints.txt installs what was tried together"
    return Finding(AREA, name, "note", f"{version}; tried with {other}", remedy)
