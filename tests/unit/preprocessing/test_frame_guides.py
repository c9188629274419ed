"""Guides of one frame, and those of a user's own."""

import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest
from tests.helpers.tiny import tiny_clip

from diffmvr.preprocessing.frame_guides import frame_guide
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip


def inverted(clip: Clip, t: int) -> Any:
    return 255 - clip.observed[t], t > 0


def peeking(clip: Clip, t: int) -> Any:
    return clip.frames[t], True


def grey(clip: Clip, t: int) -> Any:
    return clip.observed[t, ..., 0], True


def alone(clip: Clip, t: int) -> Any:
    return clip.observed[t]


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("guides_of_a_user")
    vars(made).update(inverted=inverted, peeking=peeking, grey=grey, alone=alone)
    monkeypatch.setitem(sys.modules, "guides_of_a_user", made)


def test_a_guide_of_a_users_own_is_one_beside_the_others() -> None:
    clip = tiny_clip()
    builder = AutomaticGuides(("present", "guides_of_a_user:inverted"))
    guides = pickle.loads(pickle.dumps(builder))(clip)
    np.testing.assert_array_equal(guides.images[:, 1], 255 - clip.observed)
    assert guides.valid[:, 1].tolist() == [False] + [True] * (len(clip) - 1)
    alone = AutomaticGuides(("present",))(clip)
    np.testing.assert_array_equal(guides.images[:, :1], alone.images)


def test_it_is_not_shown_the_truth() -> None:
    clip = tiny_clip()
    assert clip.frames is not None
    with pytest.raises(TypeError, match="NoneType"):
        frame_guide("guides_of_a_user:peeking")(clip, 0)


@pytest.mark.parametrize(
    ("name", "told"), [("grey", r"got uint8 \(\d+, \d+\)"), ("alone", "got ndarray")]
)
def test_what_is_no_guide_is_said_with_its_name(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"guides_of_a_user:{name}: expected .*frame 2, {told}"):
        frame_guide(f"guides_of_a_user:{name}")(tiny_clip(), 2)


def test_an_unknown_guide_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"guide\.kinds: expected one of .*got 'future'"):
        frame_guide("future")
