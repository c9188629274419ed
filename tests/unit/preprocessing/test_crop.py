import cv2
import numpy as np
import pytest

from diffmvr.preprocessing.crop import CropTransform, crop_track, square_crops, square_region
from diffmvr.preprocessing.face import track_from_boxes


def scaled(zoom: float, x: float, y: float, size: int, frame: tuple[int, int]) -> CropTransform:
    """The crop whose pixel (0, 0) has its outer corner at frame edge position (x, y)."""
    matrix = np.array([[zoom, 0, (0.5 - x) * zoom - 0.5], [0, zoom, (0.5 - y) * zoom - 0.5]])
    return CropTransform(matrix, size, frame)


def picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, (height, width, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def box_track(boxes: np.ndarray):
    return track_from_boxes(np.asarray(boxes, float))


def test_coordinates_round_trip():
    crop = scaled(0.3771, 101.37, 55.91, 64, (480, 640))
    points = np.random.default_rng(0).uniform(0, 600, (100, 2))
    np.testing.assert_allclose(crop.to_frame(crop.to_crop(points)), points, atol=1e-9)
    np.testing.assert_allclose(crop.inverse[:, 2], crop.to_frame(np.zeros(2)), atol=1e-9)


def test_a_crop_at_the_frames_own_size_is_the_frame():
    image = picture(32, 32)
    mask = (image[..., 0] > 128).astype(np.uint8)
    crop = scaled(1.0, 0, 0, 32, (32, 32))
    np.testing.assert_array_equal(crop.apply(image), image)
    np.testing.assert_array_equal(crop.apply_mask(mask), mask)
    np.testing.assert_array_equal(crop.apply_inverse(image), image)


@pytest.mark.parametrize("factor", [2, 4])
def test_reducing_averages_what_a_pixel_covers(factor):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    crop = scaled(1 / factor, 0, 0, 64 // factor, (64, 64))
    means = image.reshape(64 // factor, factor, 64 // factor, factor, 3).mean(axis=(1, 3))
    assert np.abs(crop.apply(image) - means).max() <= 1.0


def test_reducing_does_not_alias():
    stripes = np.zeros((120, 120, 3), np.uint8)
    stripes[:, ::2] = 255
    reduced = scaled(1 / 3.7, 3.3, 1.9, 30, (120, 120)).apply(stripes)
    assert np.abs(reduced.astype(int) - 127.5).max() < 45


@pytest.mark.parametrize("zoom", [0.23, 0.5, 1.0, 1.7])
def test_a_crop_shows_the_frame_where_its_coordinates_say(zoom):
    y, x = np.mgrid[:200, :200]
    ramp = np.stack([x, y, x + 0 * y], axis=-1).astype(np.uint8)
    crop = scaled(zoom, 40.3, 31.8, 30, (200, 200))
    place = crop.to_frame(np.array([15.0, 12.0]))
    np.testing.assert_allclose(crop.apply(ramp)[12, 15, :2], place, atol=1.0)


@pytest.mark.parametrize("zoom", [0.13, 0.5, 0.77, 1.0, 2.6])
def test_no_hidden_pixel_is_lost_and_none_shows(zoom):
    rng = np.random.default_rng(0)
    size = 40
    frame = (int(size / zoom) + 8, int(size / zoom) + 8)
    crop = scaled(zoom, 3.4, 4.2, size, frame)
    image = np.full((*frame, 3), 100, np.uint8)
    for _ in range(20):
        y, x = rng.integers(5, frame[0] - 5, 2)
        mask = np.zeros(frame, np.uint8)
        mask[y, x] = 1
        hidden = crop.apply_mask(mask)
        place = np.rint(crop.to_crop(np.array([x, y], float))).astype(int)
        if place.min() >= 0 and place.max() < size:
            assert hidden[place[1], place[0]] == 1
        occluded = image.copy()
        occluded[y, x] = 255
        assert (crop.apply(occluded)[hidden == 0] == 100).all()


def test_laying_a_crop_back_restores_the_square():
    image = picture(120, 160)
    crop = scaled(0.5, 31.5, 22.25, 40, (120, 160))
    laid = crop.apply_inverse(crop.apply(image))
    inside = np.s_[26:98, 36:108]
    assert np.abs(laid[inside].astype(int) - image[inside]).max() <= 3
    assert (laid[:18] == 128).all()
    assert (laid[:, 116:] == 128).all()


def test_laying_back_an_enlarged_crop_averages():
    crop = scaled(4.0, 10, 12, 64, (60, 80))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    means = image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    laid = crop.apply_inverse(image)
    assert np.abs(laid[12:28, 10:26] - means).max() <= 1.0


def test_squares_have_one_side_and_stay_in_the_frame():
    x = np.linspace(0, 500, 40)
    track = box_track(np.column_stack([x, 0 * x + 100, x + 120, 0 * x + 240]))
    crops = square_crops(track, (480, 640), size=64, scale=1.6)
    assert len({crop.matrix[0, 0] for crop in crops}) == 1
    assert 64 / crops[0].matrix[0, 0] == pytest.approx(1.6 * 140)
    for crop in crops:
        corners = crop.to_frame(np.array([[-0.5, -0.5], [63.5, 63.5]]))
        assert corners.min() >= -0.5 - 1e-9
        assert (corners[1] <= [639.5 + 1e-9, 479.5 + 1e-9]).all()


def test_the_square_is_centred_on_the_face_where_there_is_room():
    crops = square_crops(box_track([[200, 150, 299, 249]] * 4), (480, 640), size=50, scale=2.0)
    np.testing.assert_allclose(crops[2].to_crop(np.array([249.5, 199.5])), [24.5, 24.5])


def test_a_jittering_box_gives_a_steady_square():
    jitter = np.random.default_rng(0).normal(scale=3, size=(60, 1))
    crops = square_crops(box_track(np.array([200, 150, 300, 250]) + jitter), (480, 640), 64)
    path = np.array([crop.to_frame(np.zeros(2)) for crop in crops])
    assert np.abs(np.diff(path, axis=0)).mean() < 0.15 * np.abs(np.diff(jitter, axis=0)).mean()


def test_the_square_leaves_the_frame_only_for_a_face_larger_than_it():
    wide = square_crops(box_track([[100, 20, 300, 180]] * 3), (200, 640), 64, scale=3.0)
    assert 64 / wide[0].matrix[0, 0] == pytest.approx(200)
    huge = square_crops(box_track([[100, -50, 500, 250]] * 3), (200, 640), 64, scale=1.2)
    assert 64 / huge[0].matrix[0, 0] == pytest.approx(400)
    assert huge[0].apply(picture(200, 640)).shape == (64, 64, 3)


def test_the_track_moves_with_the_crop():
    track = box_track([[100, 80, 200, 220], [104, 80, 204, 220]])
    crops = square_crops(track, (480, 640), size=64)
    moved = crop_track(track, crops)
    for t, crop in enumerate(crops):
        np.testing.assert_allclose(moved.face_box[t, :2], crop.to_crop(track.face_box[t, :2]))
        np.testing.assert_allclose(moved.face_box[t, 2:], crop.to_crop(track.face_box[t, 2:]))
        np.testing.assert_allclose(moved.midline[t, :2], crop.to_crop(track.midline[t, :2]))
        eye = np.array([0.5, 0.0, 1.0])
        np.testing.assert_allclose(
            moved.similarity[t] @ eye, crop.to_crop(track.similarity[t] @ eye)
        )
    np.testing.assert_allclose(moved.midline[:, 2:], [[0, 1], [0, 1]], atol=1e-12)
    assert moved.axis_source == track.axis_source


def test_errors_name_what_does_not_fit():
    track = box_track([[0, 0, 9, 9]] * 3)
    crops = square_crops(track, (20, 20), 8)
    with pytest.raises(ValueError, match="crops: expected 3, one for each frame, got 2"):
        crop_track(track, crops[:2])
    with pytest.raises(ValueError, match=r"scale: expected a number in \[1, inf\], got 0.5"):
        square_crops(track, (20, 20), 8, scale=0.5)
    with pytest.raises(ValueError, match=r"size: expected a number in \[1, inf\], got 0"):
        square_crops(track, (20, 20), 0)
    with pytest.raises(ValueError, match=r"image: expected shape \(20, 20, 3\), got \(9, 9, 3\)"):
        crops[0].apply(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=r"mask: expected shape \(20, 20\), got \(9, 9\)"):
        crops[0].apply_mask(np.zeros((9, 9), np.uint8))
    with pytest.raises(ValueError, match=r"crop: expected shape \(8, 8, 3\), got \(9, 9, 3\)"):
        crops[0].apply_inverse(np.zeros((9, 9, 3), np.uint8))


def test_a_region_shows_its_square_edge_to_edge() -> None:
    region = square_region(np.array([50.0, 40.0]), 20.0, 64, (100, 120))

    edges = np.array([[-0.5, -0.5], [63.5, 63.5]])
    np.testing.assert_allclose(region.to_frame(edges), [[40, 30], [60, 50]])


@pytest.mark.parametrize("corner", [(3, 5), (-4, 2), (30, -7), (45, 50), (-90, 0)])
def test_whole_pixels_are_copied_as_interpolation_would(corner: tuple[int, int]) -> None:
    """Inside the frame, across its edge and beside it; floats are those of a colour correction."""
    image = np.random.default_rng(0).integers(0, 256, (40, 44, 3)).astype(np.uint8)
    matrix = np.array([[1.0, 0, -corner[0]], [0, 1, -corner[1]]])
    for values in (image, image.astype(np.float32) - 100):
        expected = cv2.warpAffine(values, matrix, (24, 24), borderMode=cv2.BORDER_REPLICATE)
        found = CropTransform(matrix, 24, (40, 44))
        if values.dtype == np.uint8:
            np.testing.assert_array_equal(found.apply(values), expected)
        back = found.apply_inverse(expected)
        inside = np.zeros((40, 44), bool)
        rows, columns = (np.arange(24) + corner[k] for k in (1, 0))
        kept = [part[(part >= 0) & (part < side)] for part, side in ((rows, 40), (columns, 44))]
        inside[np.ix_(*kept)] = True
        np.testing.assert_array_equal(back[inside], values[inside])
