"""``experiments/real_finetune.py``: nobody is scored on what a model has seen, and it runs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from diffmvr.structures import Clip, FaceTrack

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHARED = os.environ.get("DIFFMVR_SHARED")
needs_shared = pytest.mark.skipif(
    not SHARED, reason="real clips are not in the repository: set DIFFMVR_SHARED to their folder"
)


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """The script as a module; its siblings are found beside it, as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        import real_finetune

        yield real_finetune


def clip(subject: str, first: int, frames: int = 4) -> Clip:
    """A clip of one grey pixel."""
    still = np.zeros((frames, 4))
    track = FaceTrack(still, still, np.zeros((frames, 2, 3)), ("box",) * frames)
    pixels = np.zeros((frames, 1, 1, 3), np.uint8)
    numbers = np.arange(first, first + frames)
    name = f"{subject}_{first}"
    return Clip(name, subject, pixels, pixels[..., 0], track, pixels, numbers)


def test_recordings_are_halved_and_what_lies_across_is_left_out(script: Any) -> None:
    clips = [clip("a", first) for first in (0, 4, 8, 12, 16)]
    clips += [clip("b", first) for first in (100, 104)]

    earlier, later = script.halves(clips)

    assert [one.clip_id for one in earlier] == ["a_0", "a_4", "b_100"]
    assert [one.clip_id for one in later] == ["a_12", "a_16", "b_104"]
    script.check_unseen(earlier, later)


def test_a_scored_frame_in_training_is_an_error(script: Any) -> None:
    with pytest.raises(ValueError, match="frame 6 of a is both trained on and scored"):
        script.check_unseen([clip("a", 3), clip("b", 8)], [clip("b", 0), clip("a", 6)])


@needs_shared
def test_two_people_from_the_store_to_the_table(script: Any, tmp_path: Path) -> None:
    # The first step is that of a warm-up and changes nothing.
    settings = ["--steps=2", "--own-steps=2", "--takes=1", "--training-people=s29"]
    folders = [f"--work={tmp_path / 'work'}", f"--output={tmp_path / 'results'}"]
    arguments = script.parse([*settings, "--test-people=d12", *folders])

    rows = script.run(arguments, Path(str(SHARED)) / "data" / "faces")

    tuned = {"diffmvr", "diffmvr (other people)", "diffmvr (own clear frames)"}
    floor = {"telea", "copy_past", "flow", "past_guide", "autoencoder (bound)"}
    assert set(rows["restorer"]) == tuned | floor
    assert set(rows["subject_id"]) == {"d12"}
    written = pl.read_parquet(tmp_path / "results" / "scores.parquet")
    assert written.equals(rows)
    scores = dict(written.select("restorer", "psnr_hole").iter_rows())
    assert len({scores[name] for name in tuned}) == 3
    facts = json.loads((tmp_path / "results" / "run.json").read_text())
    assert facts["clips"] == {"other people": 3, "own clear frames": 1, "test": 1}
    suffixes = {path.suffix for path in (tmp_path / "results").iterdir()}
    assert suffixes == {".json", ".md", ".csv", ".parquet"}
    assert (tmp_path / "work" / "d12.png").is_file()
