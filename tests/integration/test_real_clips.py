"""``experiments/real_clips.py``: a real face through the whole script, and what it would notice."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import audio_packets, moving_frames, video_times
from tests.helpers.tiny import build_tiny

from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.video_io import open_frames

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHARED = os.environ.get("DIFFMVR_SHARED")
needs_shared = pytest.mark.skipif(
    not SHARED, reason="real clips are not in the repository: set DIFFMVR_SHARED to their folder"
)
CLIP, COUNT = "d12", 8


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """The script as a module; its siblings are found beside it, as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        import real_clips

        yield real_clips


@pytest.fixture(scope="module")
def folder(
    script: Any, frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Any]]:
    """Eight frames of one clip, restored by a real model of random weights; and their facts."""
    folder = tmp_path_factory.mktemp("real")
    model = DiffMVRPipeline.from_components(build_tiny(frozen_parts))
    model.save_pretrained(folder / "model")
    recordings = script.find_recordings(Path(str(SHARED)), [CLIP])
    facts = script.run(
        recordings,
        COUNT,
        str(folder / "model"),
        folder / "results",
        folder / "pictures",
    )
    return folder, facts


@needs_shared
def test_the_restored_file_is_the_input_but_for_the_hole(folder: tuple[Path, list[Any]]) -> None:
    _, (facts,) = folder

    assert facts.broken == []
    assert (facts.changed_bytes_outside, facts.changed_clear_frames) == (0, 0)
    assert (facts.frames, facts.size, facts.frame_rate) == (COUNT, "512x512", "25")
    assert 0 < facts.hidden_frames < COUNT
    assert facts.audio_packets > 0


@needs_shared
def test_the_input_is_the_clip_with_a_hand_over_it(folder: tuple[Path, list[Any]]) -> None:
    pictures = folder[0] / "pictures" / CLIP
    original = Path(str(SHARED)) / "data" / "faces" / f"{CLIP}.mp4"
    truth = np.stack([frame.image for frame in islice(open_frames(original), COUNT)])
    occluded = np.stack([frame.image for frame in open_frames(pictures / "input.mkv")])
    masks = [np.asarray(Image.open(file)) for file in sorted((pictures / "masks").iterdir())]

    hidden = np.stack(masks) > 0
    assert np.array_equal(occluded[~hidden], truth[~hidden])
    assert (occluded[hidden] != truth[hidden]).any(axis=1).mean() > 0.9
    times, rate = video_times(pictures / "input.mkv")
    assert (times, rate) == ([Fraction(t, 25) for t in range(COUNT)], 25)
    audio = audio_packets(pictures / "input.mkv")
    # Matroska is not given the packets that the original marks as not to be heard.
    assert audio
    assert audio == audio_packets(original, heard=True)[: len(audio)]


@needs_shared
def test_no_pixel_is_among_the_results(folder: tuple[Path, list[Any]]) -> None:
    results = folder[0] / "results"
    assert {path.name for path in results.iterdir()} == {"facts.json", "facts.md"}
    assert str(folder[0]) not in (results / "facts.json").read_text()


@needs_shared
def test_a_box_hides_what_the_outline_hides_and_more(script: Any, tmp_path: Path) -> None:
    video = Path(str(SHARED)) / "data" / "faces" / f"{CLIP}.mp4"
    masks = {}
    for mask_type in ("segmentation", "bbox"):
        (tmp_path / mask_type).mkdir()
        masks[mask_type] = script.hide_face(video, tmp_path / mask_type, COUNT, mask_type)

    outline, box = masks["segmentation"], masks["bbox"]
    first, second = (
        script.Recording.from_video(tmp_path / mask_type / "input.mkv").frames
        for mask_type in masks
    )
    assert np.array_equal(first, second), "the hand is the same"
    assert ((outline <= box).all(), box.sum() > outline.sum()) == (True, True)
    for hand, rectangle in zip(outline, box, strict=True):
        rows, columns = np.flatnonzero(hand.any(1)), np.flatnonzero(hand.any(0))
        expected = np.zeros_like(hand)
        if len(rows):
            expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1
        assert np.array_equal(rectangle, expected)


@needs_shared
def test_recordings_are_chosen_by_name(script: Any) -> None:
    shared = Path(str(SHARED))

    assert list(script.find_recordings(shared, ["tennis", "d0"])) == ["d0", "tennis"]
    assert len(script.find_recordings(shared, None)) == 10
    with pytest.raises(ValueError, match=r"--clips: expected some of .*'d0'.*, got \['d99'\]"):
        script.find_recordings(shared, ["d0", "d99"])


def test_a_folder_without_recordings_is_an_error(script: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"DIFFMVR_SHARED: no .* in {tmp_path}"):
        script.find_recordings(tmp_path, None)


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (lambda r: r, []),
        (lambda r: replace(r, frames=touched(r.frames, 2, 0)), ["changed_bytes_outside"]),
        (lambda r: replace(r, frames=touched(r.frames, 2, 20)), []),
        (
            lambda r: replace(r, frames=touched(r.frames, 0, 20)),
            ["changed_bytes_outside", "changed_clear_frames"],
        ),
        (lambda r: replace(r, times=[t + 1 for t in r.times]), ["same_times"]),
        (lambda r: replace(r, frame_rate=Fraction(24)), ["same_frame_rate"]),
        (lambda r: replace(r, audio=[b"b"]), ["same_audio"]),
        (
            lambda r: replace(r, frames=r.frames[:-1]),
            ["same_frame_count", "changed_bytes_outside", "changed_clear_frames"],
        ),
        (
            lambda r: replace(r, frames=r.frames[:, :-1]),
            ["same_size", "changed_bytes_outside", "changed_clear_frames"],
        ),
    ],
    ids=[
        "nothing",
        "a visible byte",
        "a hidden byte",
        "a frame without a hole",
        "times",
        "frame rate",
        "audio",
        "a frame is missing",
        "a row is missing",
    ],
)
def test_whatever_differs_is_noticed(script: Any, spoil: Any, broken: list[str]) -> None:
    frames = moving_frames(4, 48, 32)
    times = [Fraction(t, 25) for t in range(4)]
    before = script.Recording(frames, times, Fraction(25), [b"a"])
    mask = np.zeros((4, 32, 48), np.uint8)
    mask[1:, 16:24, 16:24] = 1
    report = {"self_check": None, "frames": [{"past_index": None, "axis_source": "box"}] * 4}

    facts = script.compare("clip", before, spoil(before), mask, report)

    assert facts.broken == broken
    json.dumps(facts.__dict__)


def touched(frames: np.ndarray, t: int, place: int) -> np.ndarray:
    """One byte of frame ``t`` changed, at row and column ``place``."""
    changed = frames.copy()
    changed[t, place, place, 1] ^= 1
    return changed
