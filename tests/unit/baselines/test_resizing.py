import numpy as np
import pytest

from diffmvr.baselines.resizing import resize_images, resize_masks, working_size


@pytest.mark.parametrize(
    ("shape", "short_side", "expected"),
    [
        ((64, 64), 512, (512, 512)),
        ((480, 854), 240, (240, 424)),
        ((50, 61), None, (48, 64)),
        ((3, 3), None, (8, 8)),
    ],
)
def test_sides_are_multiples_near_the_wanted_size(
    shape: tuple[int, int], short_side: int | None, expected: tuple[int, int]
) -> None:
    assert working_size(*shape, short_side) == expected


@pytest.mark.parametrize("size", [(96, 96), (20, 28), (48, 48)])
def test_a_plane_survives_the_way_there_and_back(size: tuple[int, int]) -> None:
    ramp = np.broadcast_to(np.linspace(40, 200, 48)[None, :, None, None], (2, 48, 48, 3))
    images = np.round(ramp).astype(np.uint8)
    there = resize_images(images, size)
    assert there.shape == (2, *size, 3) and there.dtype == np.uint8
    back = resize_images(there, (48, 48))
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert np.abs(back[inside].astype(int) - images[inside]).max() <= 2


@pytest.mark.parametrize("size", [(96, 96), (72, 72), (20, 20), (48, 48)])
def test_no_hidden_pixel_becomes_visible(size: tuple[int, int]) -> None:
    masks = np.zeros((1, 48, 48), np.uint8)
    masks[0, 7, 9] = masks[0, 30:41, 20:33] = 1
    there = resize_masks(masks, size)
    assert there.shape == (1, *size) and set(np.unique(there)) == {0, 1}
    # Each working pixel whose centre lies on a hidden pixel of the clip is hidden.
    rows, columns = (((np.arange(n) + 0.5) * 48 / n).astype(int) for n in size)
    assert (there[0] >= masks[0][np.ix_(rows, columns)]).all()
    assert there[0].mean() < 2 * masks[0].mean() + 0.02
    np.testing.assert_array_equal(resize_masks(np.ones_like(masks), size), 1)
