"""External programs, by stand-ins with the same command lines."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from tests.helpers.clips import moving_clip
from tests.helpers.video_inpainters import install_e2fgvi, install_propainter, install_script

from diffmvr.baselines import get_restorer
from diffmvr.baselines.external import ExternalTool
from diffmvr.baselines.program import ExternalToolError
from diffmvr.checks import WeightsNotPresentError
from diffmvr.config import config_dir

CLIP = moving_clip(frames=4, size=48, arrival=1)
HIDDEN = CLIP.mask == 1
INSTALL = {"pvi": install_propainter, "fgvi": install_e2fgvi}


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary ones are made in; each test must leave it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def configured(name: str, **changes: Any) -> Any:
    """The restorer as ``conf/baselines`` describes it."""
    cfg = OmegaConf.load(config_dir() / "baselines" / "default.yaml")
    return instantiate(cfg[name], python=sys.executable, **changes, _convert_="all")


def script(folder: Path, body: str, **changes: Any) -> ExternalTool:
    settings: dict[str, Any] = {
        "command": ["{python}", "run.py", "{frames}", "{masks}", "{output}"],
        "result": "frames",
        "python": sys.executable,
    }
    return ExternalTool("tool", folder=install_script(folder, body), **{**settings, **changes})


@pytest.mark.parametrize("name", ["pvi", "fgvi"])
def test_the_configured_command_restores_a_clip(name: str, tmp_path: Path, scratch: Path) -> None:
    tool = configured(name, folder=INSTALL[name](tmp_path / name))
    before = CLIP.observed.copy()
    restored = tool.restore(CLIP)
    assert tool.name == name
    assert restored.dtype == np.uint8 and restored.shape == CLIP.observed.shape
    np.testing.assert_array_equal(restored[~HIDDEN], before[~HIDDEN])
    np.testing.assert_array_equal(CLIP.observed, before)
    # The stand-in is Telea at a larger size; what remains is the way there and back, and a codec.
    telea = get_restorer("telea").restore(CLIP)
    assert np.abs(restored[HIDDEN].astype(int) - telea[HIDDEN]).mean() < 8
    assert np.abs(CLIP.observed[HIDDEN].astype(int) - telea[HIDDEN]).mean() > 40
    # No trace of the occluder gets in by way of the scaling.
    noise = np.random.default_rng(0).integers(0, 256, before.shape, dtype=np.uint8)
    other = replace(CLIP, observed=np.where(HIDDEN[..., None], noise, before), frames=None)
    np.testing.assert_array_equal(tool.restore(other), restored)
    assert not list(scratch.iterdir())


def test_at_its_own_size_a_lossless_program_changes_nothing(tmp_path: Path) -> None:
    tool = configured("pvi", folder=install_propainter(tmp_path / "pvi"), min_side=48)
    np.testing.assert_array_equal(tool.restore(CLIP), get_restorer("telea").restore(CLIP))


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"min_side": 64}, (64, 80)),
        ({"max_side": 24}, (24, 32)),
        ({}, (48, 64)),
        ({"multiple": 20}, (40, 60)),
    ],
)
def test_the_program_sees_sides_within_its_limits(
    tmp_path: Path, limits: dict[str, int], size: tuple[int, int]
) -> None:
    wide = moving_clip(frames=2, size=62, arrival=0)
    wide = replace(wide, observed=wide.observed[:, :50], mask=wide.mask[:, :50], frames=None)
    body = """
    import struct
    names = sorted(os.listdir(sys.argv[1]))
    png = open(os.path.join(sys.argv[1], names[0]), "rb").read()
    width, height = struct.unpack(">II", png[16:24])
    sys.exit(f"{names} {height}x{width}")
    """
    tool = script(tmp_path / "tool", body, **limits)
    expected = rf"'00000\.png', '00001\.png'\] {size[0]}x{size[1]}"
    with pytest.raises(ExternalToolError, match=expected):
        tool.restore(wide)


def test_a_clip_without_a_hole_is_not_run(tmp_path: Path) -> None:
    clear = replace(CLIP, observed=CLIP.frames, mask=np.zeros_like(CLIP.mask))
    restored = script(tmp_path / "tool", "sys.exit(1)").restore(clear)
    np.testing.assert_array_equal(restored, clear.observed)
    assert not np.shares_memory(restored, clear.observed)


def test_a_failure_names_the_clip_and_repeats_the_last_words(tmp_path: Path, scratch: Path) -> None:
    tool = script(tmp_path / "tool", "print('loading')\nsys.exit('out of memory')")
    expected = (
        rf"tool failed on clip '{CLIP.clip_id}': it ended with exit code 1; its last words:\n"
        r"loading\nout of memory"
    )
    # One reads the words in the order of the program's two streams, buffered or not.
    with pytest.raises(ExternalToolError) as caught:
        tool.restore(CLIP)
    assert set(str(caught.value).splitlines()) == set(expected.replace("\\n", "\n").splitlines())
    assert not list(scratch.iterdir())


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path, scratch: Path) -> None:
    body = """
    import subprocess, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, flush=True)
    time.sleep(60)
    """
    start = time.monotonic()
    with pytest.raises(ExternalToolError, match=r"clip 'moving-0': it was not done after 3 s and"):
        script(tmp_path / "tool", body, timeout=3).restore(CLIP)
    assert time.monotonic() - start < 30
    assert not list(scratch.iterdir())


def test_children_do_not_outlive_the_program(tmp_path: Path) -> None:
    body = """
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    sys.exit(f"child {child.pid}")
    """
    with pytest.raises(ExternalToolError) as caught:
        script(tmp_path / "tool", body).restore(CLIP)
    child = int(str(caught.value).split()[-1])
    for _ in range(100):
        # A killed orphan stays a zombie until the system's first process takes it in.
        status = Path(f"/proc/{child}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        os.kill(child, 9)
        pytest.fail("the child still runs")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", r"result: there is no file or folder .*output/frames"),
        ("os.makedirs(sys.argv[3] + '/frames')", r"result: the folder .*frames holds no \.png"),
        (
            "os.makedirs(sys.argv[3] + '/frames')\n"
            "for name in ('00000.png', '00001.png'):\n"
            "    os.link(f'{sys.argv[1]}/{name}', f'{sys.argv[3]}/frames/{name}')",
            r"expected 4 frames of 48x48 in frames, got 2 of 48x48",
        ),
        (
            "import cv2, numpy\n"
            "os.makedirs(sys.argv[3] + '/frames')\n"
            "for name in range(4):\n"
            "    cv2.imwrite(f'{sys.argv[3]}/frames/{name}.png', numpy.zeros((24, 48, 3)))",
            r"expected 4 frames of 48x48 in frames, got 4 of 48x24",
        ),
    ],
)
def test_other_frames_than_were_given_are_an_error(
    tmp_path: Path, body: str, message: str, scratch: Path
) -> None:
    with pytest.raises(ExternalToolError, match=rf"tool failed on clip 'moving-0': .*{message}"):
        script(tmp_path / "tool", body).restore(CLIP)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("pvi", "https://github.com/sczhou/ProPainter"),
        ("fgvi", "https://github.com/MCG-NKU/E2FGVI"),
    ],
)
def test_a_program_that_is_not_there_says_how_to_get_it(
    name: str, url: str, tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: baselines\.{name}\.folder=null; run `git clone {url} FOLDER`"
        rf", .* give baselines\.{name}\.folder=FOLDER and baselines\.{name}\.python=INTERPRETER$",
    ) as caught:
        _unwrapped(configured, name)
    absent = tmp_path / "absent"
    with pytest.raises(
        WeightsNotPresentError,
        match=rf"^weights not present: {absent}; run `git clone {url} {absent}`",
    ):
        _unwrapped(configured, name, folder=absent)
    folder = INSTALL[name](tmp_path / name)
    for weight in [*folder.rglob("*.pth")]:
        weight.unlink()
        with pytest.raises(
            WeightsNotPresentError, match=rf"^weights not present: {weight}; .*https://"
        ) as caught:
            _unwrapped(configured, name, folder=folder)
        assert "{" not in str(caught.value)
        weight.touch()


def _unwrapped(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call and raise what Hydra has wrapped."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise (error.__cause__ or error) from None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"command": ["{pyton}"]}, r"placeholder in '\{pyton\}': expected one of .*got 'pyton'"),
        ({"environment": {"A": "{b}"}}, r"placeholder in '\{b\}': .*got 'b'"),
        ({"python": "no-such-python"}, r"baselines\.tool\.python: there is no program 'no-such-py"),
        ({"multiple": 0}, r"multiple: .*got 0"),
        ({"min_side": 64, "max_side": 32}, r"max_side: expected a number in \[64, 8192\], got 32"),
        ({"timeout": -1}, r"timeout: .*got -1"),
    ],
)
def test_settings_out_of_range_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        script(tmp_path / "tool", "", **change)


def test_a_command_that_cannot_be_started_names_the_clip(tmp_path: Path) -> None:
    tool = script(tmp_path / "tool", "", command=["./no-such-program"])
    with pytest.raises(ExternalToolError, match=r"moving-0.*no-such-program cannot be started \("):
        tool.restore(CLIP)
