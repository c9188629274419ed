from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffmvr.reporting import image_grid, save_png


def frames(value: int, count: int = 3) -> np.ndarray:
    return np.full((count, 10, 14, 3), value, np.uint8)


def test_images_stand_in_the_grid_unchanged() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 255, (2, 3, 10, 14, 3), dtype=np.uint8)
    sheet = image_grid([("a", first), ("b", second)], upscale=2, gap=3)
    enlarged = np.stack([first, second]).repeat(2, axis=2).repeat(2, axis=3)
    height, width = 20, 28
    bottom, right = sheet.shape[0] - 3, sheet.shape[1] - 3
    for r in range(2):
        for c in range(3):
            y = bottom - (2 - r) * height - (1 - r) * 3
            x = right - (3 - c) * width - (2 - c) * 3
            np.testing.assert_array_equal(sheet[y : y + height, x : x + width], enlarged[r, c])


def test_labels_are_drawn_and_rows_may_differ_in_length() -> None:
    plain = image_grid([("", frames(255)), ("", frames(255, 1))])
    labelled = image_grid(
        [("telea", frames(255)), ("ours", frames(255, 1))], column_labels=["0", "1", "2"]
    )
    assert (plain == 255).all()
    assert (labelled < 100).any()
    assert labelled.shape[0] > plain.shape[0] and labelled.shape[1] > plain.shape[1]


def test_bad_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="rows: expected at least one row of images, got none"):
        image_grid([])
    with pytest.raises(ValueError, match=r"images of row 'b': expected shape \(any, 10, 14, 3\)"):
        image_grid([("a", frames(0)), ("b", frames(0)[:, :5])])
    with pytest.raises(ValueError, match=r"images of row 'a': .* got \(10, 14, 3\)"):
        image_grid([("a", frames(0)[0])])
    with pytest.raises(ValueError, match=r"upscale: .*got 0"):
        image_grid([("a", frames(0))], upscale=0)
    with pytest.raises(ValueError, match="column_labels: expected at least 3 names, got 1"):
        image_grid([("a", frames(0))], column_labels=["x"])


def test_a_saved_png_comes_back(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    path = save_png(image, tmp_path / "figures" / "grid.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    with pytest.raises(ValueError, match=r"name ending in \.png, got 'grid.jpg'"):
        save_png(image, tmp_path / "grid.jpg")
