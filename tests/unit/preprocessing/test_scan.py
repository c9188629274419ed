"""Scenes of a recording: who is followed, what is hidden, what is left out and why."""

from collections import deque
from fractions import Fraction

import numpy as np
from tests.helpers.detectors import OCCLUDER, ByColour, Discs, disc_frames

from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.occlusion import OccluderFinder
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.sightings import NO_FACE, REGION_SIZE, Scene

UNIT = Fraction(1, 25)
AT = (90.0, 70.0)


def scan(
    frames: np.ndarray,
    masks: np.ndarray | None = None,
    numbers: list[int] | None = None,
    lost: deque[int] | None = None,
    **options: int,
) -> list[Scene]:
    finder = OccluderFinder(ByColour(OCCLUDER)) if masks is None else None
    scanner = Scanner(Discs(), "colour", None, finder, **options)
    numbers = list(range(len(frames))) if numbers is None else numbers
    pairs = (
        (Frame(n, n, 1, image), None if masks is None else masks[t])
        for t, (n, image) in enumerate(zip(numbers, frames, strict=True))
    )
    return list(scanner.scan(pairs, UNIT, lost))


def kept(scene: Scene) -> list[int]:
    return [one.index for one in scene.sightings]


def left_out(scene: Scene) -> list[tuple[int, str]]:
    return [(one.index, one.reason) for one in scene.skipped]


def test_a_face_in_every_frame_is_one_scene() -> None:
    (scene,) = scan(disc_frames([AT] * 5))

    assert (kept(scene), left_out(scene)) == ([0, 1, 2, 3, 4], [])
    assert [one.box_source for one in scene.sightings] == ["colour"] * 5
    np.testing.assert_allclose(scene.sightings[2].box, [70, 50, 110, 90], atol=1)
    assert [one.time for one in scene.sightings] == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_no_face_at_all_is_said() -> None:
    (scene,) = scan(disc_frames([None] * 40))

    assert kept(scene) == []
    assert left_out(scene) == [(t, NO_FACE) for t in range(40)]


def test_of_two_faces_one_is_followed() -> None:
    centres = [(60.0 + 2 * t, 40.0) for t in range(20)]
    (scene,) = scan(disc_frames(centres, others=((150, 120, 14),)))

    middles = [(one.box[:2] + one.box[2:]) / 2 for one in scene.sightings]
    np.testing.assert_allclose(middles, centres, atol=1)


def test_a_face_that_leaves_and_comes_back_makes_two_scenes() -> None:
    centres = [AT] * 5 + [None] * 9 + [AT] * 5
    first, *between, last = scan(disc_frames(centres), max_gap=3)

    assert (kept(first), kept(last)) == ([0, 1, 2, 3, 4], [14, 15, 16, 17, 18])
    gone = [index for scene in (first, *between, last) for index, _ in left_out(scene)]
    assert sorted(gone) == list(range(5, 14))


def test_a_face_that_is_lost_for_a_moment_is_carried() -> None:
    (scene,) = scan(disc_frames([AT] * 5 + [None] * 2 + [AT] * 3), max_gap=3)

    assert kept(scene) == list(range(10))
    assert [one.box_source for one in scene.sightings[4:8]] == [
        "colour",
        "carried",
        "carried",
        "colour",
    ]


def test_a_hidden_face_has_not_left() -> None:
    """The bar is wider than the disc: nothing of the disc's colour is large enough."""
    frames = disc_frames([AT] * 30)
    frames[5:28, 45:95, 60:120] = OCCLUDER
    (scene,) = scan(frames, max_gap=3)

    assert kept(scene) == list(range(30))
    assert {one.box_source for one in scene.sightings[5:28]} == {"carried"}
    assert min(one.covered for one in scene.sightings[5:28]) > 0.9
    assert scene.sightings[10].mask.mean() > 0.3


def test_a_face_hidden_from_the_first_frame_is_found_in_hindsight() -> None:
    frames = disc_frames([AT] * 12)
    frames[:6, 45:95, 60:120] = OCCLUDER
    (scene,) = scan(frames)

    assert kept(scene) == list(range(12))
    assert [one.box_source for one in scene.sightings] == ["carried"] * 6 + ["colour"] * 6
    shown = scene.sightings[0].region.to_frame(np.argwhere(scene.sightings[0].mask)[:, ::-1])
    np.testing.assert_allclose(shown.min(axis=0), [60, 45], atol=1)
    np.testing.assert_allclose(shown.max(axis=0), [119, 94], atol=1)


def test_frames_before_the_face_comes_in_are_left_out() -> None:
    (scene,) = scan(disc_frames([None] * 4 + [AT] * 4))

    assert kept(scene) == [4, 5, 6, 7]
    assert left_out(scene) == [(t, NO_FACE) for t in range(4)]


def test_a_cut_begins_a_new_scene() -> None:
    rng = np.random.default_rng(0)
    frames = disc_frames([AT] * 10)
    for part in (slice(0, 5), slice(5, 10)):
        noise = np.kron(rng.integers(0, 2, (9, 12, 1)), np.ones((16, 16, 1)))
        plain = (frames[part] == 90).all(axis=-1, keepdims=True)
        frames[part] = np.where(plain, 200 * noise, frames[part])
    assert [kept(scene) for scene in scan(frames)] == [list(range(5)), list(range(5, 10))]


def test_a_hand_that_comes_in_is_no_cut() -> None:
    assert len(scan(disc_frames([AT] * 8, hidden=set(range(4, 8))))) == 1


def test_damaged_frames_are_left_out_and_split_the_scene() -> None:
    lost = deque([5, 6])
    frames = disc_frames([AT] * 4)

    scanner = Scanner(Discs(), "colour")
    numbers = [3, 4, 7, 8]

    def read():
        for n, image in zip(numbers, frames, strict=True):
            if n == 7:
                lost.extend([5, 6])
            yield Frame(n, n, 1, image), None

    lost.clear()
    scenes = list(scanner.scan(read(), UNIT, lost))

    assert [kept(scene) for scene in scenes] == [[3, 4], [7, 8]]
    assert [left_out(scene) for scene in scenes] == [[], [(5, "damaged"), (6, "damaged")]]
    assert not lost


def test_a_long_scene_is_split_where_the_next_begins_with_a_clear_frame() -> None:
    hidden = set(range(8, 14))
    scenes = scan(disc_frames([AT] * 30, hidden=hidden), max_frames=12)

    assert [index for scene in scenes for index in kept(scene)] == list(range(30))
    assert kept(scenes[1])[0] == 7, "the last clear frame before the bar"
    assert max(len(scene.sightings) for scene in scenes) <= 12


def test_given_masks_hide() -> None:
    masks = np.zeros((4, 144, 192), np.uint8)
    masks[2:, 60:80, 80:100] = 1
    (scene,) = scan(disc_frames([AT] * 4), masks)

    assert [one.mask.any() for one in scene.sightings] == [False, False, True, True]
    assert scene.sightings[3].mask.shape == (REGION_SIZE, REGION_SIZE)
    # 400 of 1681 pixels, and the rim that a resampled hidden pixel touches.
    assert 400 / 41**2 <= scene.sightings[3].covered < 25**2 / 41**2
