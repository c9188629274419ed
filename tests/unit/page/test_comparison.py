"""Which frames are shown of a result, and what is said of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffmvr.page.comparison import choose_frames, read_result, shrink, told_facts
from diffmvr.page.examples import render_example
from diffmvr.page.jobs import Progress
from diffmvr.page.wording import told, told_notes, told_progress, told_result


def rows(restored: list[bool]) -> list[dict[str, Any]]:
    return [
        {
            "index": k,
            "time": k / 10,
            "restored": one,
            "mask_share": 0.25,
            "region_source": "landmarks",
        }
        for k, one in enumerate(restored)
    ]


def test_frames_are_spread_over_what_was_restored() -> None:
    chosen = choose_frames(rows([False] * 10 + [True] * 100), most=4)
    assert list(chosen) == [10, 43, 76, 109] and chosen[10] == 1.0
    assert list(choose_frames(rows([False, True, True]))) == [1, 2]
    assert list(choose_frames(rows([False, False]))) == [0]


def test_facts_are_the_reports() -> None:
    report = {
        "frames": rows([True, False, True]),
        "model": "diffmvr-tiny",
        "self_check": {"psnr_model": 25.04, "frames": 6},
    }
    report["frames"][2]["region_source"] = "none"
    assert told_facts(report) == [
        ("Frames restored", "2 of 3"),
        ("Most hidden in a frame", "25 % of the picture"),
        ("Restored where no face was found", "1 frames"),
        ("Tried on this recording", "25.0 dB on 6 of its own clear frames"),
        ("Model", "diffmvr-tiny"),
    ]


@pytest.mark.parametrize(("size", "small"), [((2000, 1000), (1280, 640)), ((30, 20), (30, 20))])
def test_pictures_are_no_larger_than_they_are_shown(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    assert shrink(np.zeros((*size, 3), np.uint8)).shape == (*small, 3)


def test_pairs_are_frames_of_the_recording_and_of_the_result(tmp_path: Path) -> None:
    recording, result = tmp_path / "a.mp4", tmp_path / "result"
    render_example(recording, size=64, frames=4)
    result.mkdir()
    # A result that can be told apart: the recording's frames in reverse.
    report = {"frames": rows([False, True, False, True]), "model": "m", "notes": ["a note"]}
    (result / "report.json").write_text(json.dumps(report))
    render_example(result / "restored.mp4", size=64, frames=6)
    shown = read_result(recording, result, tmp_path / "pairs")
    assert [pair.index for pair in shown.pairs] == [1, 3]
    assert shown.film is None and shown.notes == ("a note",)
    for pair in shown.pairs:
        before, after = np.asarray(Image.open(pair.before)), np.asarray(Image.open(pair.after))
        assert before.shape == after.shape == (64, 64, 3)
        assert pair.before != pair.after
    assert "a note" in told_result(shown) and "<script" not in told_result(shown)


def test_what_is_told_is_text_and_no_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    for page in (
        told(evil, error=True),
        told_notes([evil]),
        told_progress(Progress("restoring", 1, 2, 3.0), f'{evil}" onfocus="alert(2)'),
    ):
        assert "<img" not in page and '" onfocus' not in page
    assert told_notes([]) == "" and 'role="alert"' in told("no", error=True)


def test_progress_is_read_out() -> None:
    assert 'value="0.500"' in told_progress(Progress("restoring", 4, 8, 3.0))
    assert "Restoring, 4 of 8 frames (3 s)" in told_progress(Progress("restoring", 4, 8, 3.0))
    # Where nobody knows how long it takes, the bar has no value.
    assert "value=" not in told_progress(Progress("starting", 0, None, 3.0))
