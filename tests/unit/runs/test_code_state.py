import subprocess
from pathlib import Path

import pytest

from diffmvr.runs.code_state import code_diff, code_state


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=somebody", "-c", "user.email=some@body"]
    done = subprocess.run(
        ["git", "-C", str(folder), *own, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a checkout, committed."""
    package = tmp_path / "src" / "mine"
    package.mkdir(parents=True)
    (package / "code.py").write_text("one = 1\n")
    (tmp_path / "README.md").write_text("mine\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return package


def test_the_commit_and_what_differs_from_it(package: Path) -> None:
    root = package.parents[1]
    commit = git(root, "rev-parse", "HEAD")
    (root / "README.md").write_text("others\n")
    assert code_state(package) == {"commit": commit, "dirty": False}
    assert code_diff(package) == ""
    (package / "code.py").write_text("one = 2\n")
    code_state.cache_clear()
    assert code_state(package) == {"commit": commit, "dirty": True}
    assert "-one = 1\n+one = 2\n" in (code_diff(package) or "")
    (package / "code.py").write_text("one = 1\n")
    (package / "new.py").write_text("")
    code_state.cache_clear()
    assert code_state(package)["dirty"], "a new file counts"


def test_another_repository_is_not_taken_for_the_packages_own(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An environment that lies in somebody's repository.
    installed = package.parents[1] / "lib" / "site-packages" / "mine"
    installed.mkdir(parents=True)
    assert code_state(installed) == {} and code_diff(installed) is None
    # A hook of somebody's repository.
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert code_state(package)["commit"]
    # No git at all.
    monkeypatch.setenv("PATH", "")
    code_state.cache_clear()
    assert code_state(package) == {}
