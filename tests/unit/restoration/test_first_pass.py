"""The first scene is planned while the caller does something else, and nothing stays behind."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.recordings import (
    FramesInMemory,
    MasksInMemory,
    box_masks,
    moving_frames,
    write_pictures,
)

from diffmvr.preprocessing.detection import FixedBox
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import with_masks
from diffmvr.preprocessing.scan import Scanner
from diffmvr.restoration.first_pass import planned
from diffmvr.restoration.planner import plan
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import restore

COUNT = 12
FRAMES, MASKS = FramesInMemory(moving_frames(COUNT)), MasksInMemory(box_masks(COUNT))


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def scanner(max_frames: int = 5) -> Scanner:
    return Scanner(FixedBox(np.array([18.0, 12.0, 78.0, 60.0])), "given", max_frames=max_frames)


def test_frames_are_looked_at_before_a_plan_is_asked_for() -> None:
    looked = threading.Event()
    with planned(FRAMES, MASKS, scanner(), lambda: 32, on_frame=looked.set) as plans:
        assert looked.wait(10)
        ahead = list(plans)
    one_by_one = list(plan(with_masks(FRAMES, MASKS), FRAMES.info, scanner(), 32))
    assert len(ahead) == len(one_by_one) > 2
    for one, other in zip(ahead, one_by_one, strict=True):
        assert one.frame_index.tolist() == other.frame_index.tolist()
        assert one.track is not None and other.track is not None
        np.testing.assert_array_equal(one.track.similarity, other.track.similarity)


def test_only_the_first_scene_is_planned_ahead() -> None:
    threads = []

    def note() -> None:
        threads.append(threading.current_thread() is threading.main_thread())

    with planned(FRAMES, MASKS, scanner(), lambda: 32, on_frame=note) as plans:
        first = next(plans)
        held = len(threads)
        list(plans)
    # A frame counts when the next one is asked for.
    assert len(first) - 1 <= held < COUNT
    assert threads == [False] * held + [True] * (COUNT - held)


class Endless(FramesInMemory):
    """A recording without an end, of one long scene."""

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            yield Frame(index, index, 1, self.images[index % COUNT])
            index += 1


def test_an_error_of_the_caller_ends_the_thread_in_the_midst_of_a_scene() -> None:
    looked = threading.Event()
    source = Endless(FRAMES.images)
    with (
        pytest.raises(KeyboardInterrupt),
        planned(source, None, scanner(100_000), lambda: 32, on_frame=looked.set),
    ):
        assert looked.wait(10)
        raise KeyboardInterrupt


def test_an_error_in_the_thread_is_raised_where_the_plan_is_taken() -> None:
    masks = MasksInMemory(box_masks(COUNT)[:8])
    with (
        planned(FRAMES, masks, scanner(100), lambda: 32) as plans,
        pytest.raises(ValueError, match="has 8 masks but frames has 12"),
    ):
        next(plans)

    def broken() -> int:
        raise ValueError("sample_size")

    with (
        planned(FRAMES, MASKS, scanner(), broken) as plans,
        pytest.raises(ValueError, match="sample_size"),
    ):
        next(plans)


def test_a_broken_model_is_told_before_what_is_wrong_with_the_recording(tmp_path: Path) -> None:
    (tmp_path / "model" / "unet").mkdir(parents=True)
    given = write_pictures(tmp_path / "in", FRAMES.images)
    mask = write_pictures(tmp_path / "mask", 255 * MASKS.masks)
    whole = (given / "00003.png").read_bytes()
    (given / "00003.png").write_bytes(whole[: len(whole) // 2])
    settings = RestoreSettings(
        str(given),
        str(tmp_path / "out"),
        mask=str(mask),
        weights=str(tmp_path / "model"),
        face_box=[18.0, 12.0, 78.0, 60.0],
    )
    with pytest.raises(FileNotFoundError, match=r"no autoencoder in .*model"):
        restore(settings)
    assert not (tmp_path / "out").exists()
