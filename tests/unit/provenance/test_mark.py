"""A visible mark: where it is drawn, and where it is not."""

import numpy as np
import pytest

from diffmvr.provenance.mark import MARKS, draw_mark


@pytest.mark.parametrize("size", [(72, 96), (480, 640), (1080, 1920), (20, 30)])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_mark_is_seen_where_it_says_and_nowhere_else(size: tuple[int, int], level: int) -> None:
    image = np.full((*size, 3), level, np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    before = image.copy()

    for mark in ("corner", "hatch"):
        marked, drawn = draw_mark(image, mask, mark)

        changed = (marked != image).any(axis=2)
        assert (image == before).all(), "the frame that is given is not drawn into"
        assert not changed[drawn == 0].any()
        assert changed.sum() > 4
        contrast = np.abs(marked.astype(int) - image).max()
        assert contrast >= 60, "it can be seen on any ground"
        if mark == "hatch":
            assert not changed[mask == 0].any()
            assert 0.05 < changed[mask != 0].mean() < 0.4, "the picture is seen between the lines"
        else:
            rows, columns = np.nonzero(drawn)
            assert rows.max() == size[0] - 1 and columns.max() == size[1] - 1
            assert drawn.mean() < 0.06 or size == (72, 96) or size == (20, 30)


@pytest.mark.parametrize("mark", MARKS)
def test_a_frame_without_a_hole_is_left_as_it_is(mark: str) -> None:
    image = np.full((72, 96, 3), 9, np.uint8)

    marked, drawn = draw_mark(image, np.zeros((72, 96), np.uint8), mark)

    assert marked is image and not drawn.any()


def test_an_unknown_mark_is_named() -> None:
    with pytest.raises(ValueError, match=r"mark: .*'stamp'"):
        draw_mark(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), "stamp")
