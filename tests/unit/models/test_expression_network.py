"""The network that reads faces: how it straightens them, and that it survives saving."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tests.helpers.clips import smooth_texture

from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.structures import to_pixel_values

# Not in alphabetical order: configs are written with sorted keys.
NAMES = ("smile", "brow", "gaze")
RANGES = ((0, 1), (-1, 1), (-2, 3))
STATES = ("rest", "move", "pain")


def network(**settings: object) -> ExpressionNetwork:
    torch.manual_seed(0)
    small = {"frame_size": 32, "face_size": 16, "channels": (4, 8), "hidden": 8, **settings}
    return ExpressionNetwork(NAMES, RANGES, STATES, **small).eval()


def placed(scale: float, x: float, y: float, turn: float = 0.0) -> np.ndarray:
    """A face of ``scale`` pixels per canonical unit around pixel (x, y)."""
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


def frames(size: int, count: int = 1) -> torch.Tensor:
    return to_pixel_values(np.stack([smooth_texture(size, size, i) for i in range(count)]))


def test_the_surest_readings_are_the_ends_of_their_ranges() -> None:
    reader = network()
    similarity = torch.from_numpy(np.stack([placed(7, 15, 13)] * 5)).float()
    with torch.no_grad():
        for head in (reader.expression_head, reader.state_head):
            head.weight.mul_(1e3)
        reading = reader(frames(32, 5), similarity)
    assert reading.expression.shape == (5, 3) and reading.state_logits.shape == (5, 3)
    low, high = np.array(RANGES).T
    read = reading.expression.numpy()
    assert (read >= low).all() and (read <= high).all()
    assert np.minimum(read - low, high - read).max() < 0.01
    assert reader.expression_names == NAMES and reader.states == STATES


def test_the_face_is_cut_out_as_opencv_would() -> None:
    reader = network(face_centre=(0.1, 0.3), face_reach=1.2)
    image = smooth_texture(32, 32, 3)
    similarity = placed(6.5, 14.0, 15.5, turn=0.3)
    straight = reader.straighten(
        to_pixel_values(image[None]), torch.from_numpy(similarity[None]).float()
    )
    # Pixel i of the face lies at centre + reach · ((i + ½) / 16 · 2 - 1).
    step = 2 * 1.2 / 16
    to_canonical = np.array(
        [[step, 0, 0.1 - 1.2 + step / 2], [0, step, 0.3 - 1.2 + step / 2], [0, 0, 1]]
    )
    expected = cv2.warpAffine(
        image.astype(np.float32),
        similarity @ to_canonical,
        (16, 16),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    got = (straight[0].permute(1, 2, 0).numpy() + 1) * 127.5
    # OpenCV interpolates in steps of 1/32 pixel.
    assert np.abs(got - expected).max() < 4 and np.abs(got - expected).mean() < 0.6


def test_where_the_face_is_does_not_matter() -> None:
    reader = network()
    image = smooth_texture(64, 64, 5)
    here, there = image[10:42, 8:40], image[16:48, 18:50]  # moved by (-10, -6)
    similarity = np.stack([placed(6, 20, 18), placed(6, 10, 12)])
    straight = reader.straighten(
        to_pixel_values(np.stack([here, there])), torch.from_numpy(similarity).float()
    )
    # Both show the whole face but for what the frame's edge cuts off.
    torch.testing.assert_close(straight[0, :, 4:-4, 4:-4], straight[1, :, 4:-4, 4:-4])


def test_larger_frames_are_reduced_first() -> None:
    reader = network()
    small = frames(32)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    # Pixel centres: 2x + ½ of the large frame is x of the small one.
    similarity = torch.from_numpy(placed(6, 15, 14)[None]).float()
    larger = 2 * similarity
    larger[:, :, 2] += 0.5
    torch.testing.assert_close(
        reader.straighten(large, larger), reader.straighten(small, similarity), atol=0.12, rtol=0
    )


def test_what_is_saved_reads_the_same_in_the_same_order(tmp_path: Path) -> None:
    reader = network()
    reader.save_pretrained(tmp_path)
    loaded = ExpressionNetwork.from_pretrained(tmp_path, low_cpu_mem_usage=False).eval()
    assert loaded.expression_names == NAMES and loaded.states == STATES
    similarity = torch.from_numpy(placed(7, 15, 13)[None]).float()
    with torch.no_grad():
        before, after = reader(frames(32), similarity), loaded(frames(32), similarity)
    torch.testing.assert_close(after.expression, before.expression)
    torch.testing.assert_close(after.state_logits, before.state_logits)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"ranges: .* for each of \['smile', 'brow', 'gaze'\]"):
        ExpressionNetwork(NAMES, RANGES[:2], STATES)
    with pytest.raises(ValueError, match=r"ranges: .*\(1\.0, 0\.0\)"):
        ExpressionNetwork(NAMES, ((1, 0), *RANGES[1:]), STATES)
    with pytest.raises(ValueError, match="face_size: expected a multiple of 4, got 18"):
        network(face_size=18)
    with pytest.raises(ValueError, match=r"face_centre: expected two numbers, got \[1\.0\]"):
        network(face_centre=[1.0])
    with pytest.raises(
        ValueError, match=r"similarity: expected shape \(2, 2, 3\), got \(1, 2, 3\)"
    ):
        network()(frames(32, 2), torch.zeros(1, 2, 3))
