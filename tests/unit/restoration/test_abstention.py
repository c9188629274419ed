"""Frames that are not restored look it."""

import numpy as np
import pytest
from tests.helpers.recordings import box_masks, moving_frames

from diffmvr.restoration.abstention import SHOWN_AS, withhold

FRAME, MASK = moving_frames(1)[0], box_masks(1, arrival=0)[0]


@pytest.mark.parametrize("shown_as", SHOWN_AS)
def test_only_what_is_hidden_changes(shown_as: str) -> None:
    shown = withhold(FRAME, MASK, shown_as)
    np.testing.assert_array_equal(shown[MASK == 0], FRAME[MASK == 0])
    inside = shown[MASK != 0]
    if shown_as == "occluder":
        np.testing.assert_array_equal(shown, FRAME)
    else:
        # Grey in every channel, of one level or of two.
        assert (inside == inside[:, :1]).all()
        assert len(np.unique(inside)) == (2 if shown_as == "hatch" else 1)


def test_another_way_to_show_them_is_refused() -> None:
    with pytest.raises(ValueError, match=r"abstained: .*'black'"):
        withhold(FRAME, MASK, "black")
