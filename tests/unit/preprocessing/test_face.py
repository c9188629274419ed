import numpy as np
import pytest

from diffmvr.preprocessing.face import (
    BOX_MARGIN,
    boxes_around,
    canonical_shape,
    fit_similarity,
    track_from_boxes,
    track_from_landmarks,
)
from diffmvr.preprocessing.landmarks import EYE_INDICES, LANDMARKS, MIDLINE_INDICES

FRAME = (480, 640)


def template() -> np.ndarray:
    """``[478, 2]`` canonical landmarks: eyes at (∓1/2, 0), midline on x = 0."""
    rng = np.random.default_rng(0)
    shape = rng.uniform([-1.0, -0.9], [1.0, 1.5], (LANDMARKS, 2))
    shape[list(MIDLINE_INDICES)] = np.column_stack(
        [np.zeros(len(MIDLINE_INDICES)), np.linspace(-0.9, 1.5, len(MIDLINE_INDICES))]
    )
    left, right = EYE_INDICES
    shape[list(left)] = [[-0.7, 0.0], [-0.3, 0.0]]
    shape[list(right)] = [[0.3, 0.0], [0.7, 0.0]]
    return shape


def motion(t: float) -> np.ndarray:
    """A slow drift, turn and growth, ``[2, 3]``: canonical → pixels."""
    angle, scale = np.deg2rad(-10 + 1.0 * t), 80.0 * 1.01**t
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, 250 + 2 * t], [sin, cos, 200 - t]])


def landmarks(length: int) -> list[np.ndarray | None]:
    shape = template()
    return [shape @ motion(t)[:, :2].T + motion(t)[:, 2] for t in range(length)]


def test_similarity_is_recovered():
    source = template()
    target = source @ motion(3)[:, :2].T + motion(3)[:, 2]
    np.testing.assert_allclose(fit_similarity(source, target), motion(3), atol=1e-9)


def test_similarity_ignores_points_of_weight_zero():
    source = template()[:6]
    target = source @ motion(1)[:, :2].T + motion(1)[:, 2]
    target[5] += 1000
    weights = np.array([1, 1, 1, 1, 1, 0.0])
    np.testing.assert_allclose(fit_similarity(source, target, weights), motion(1), atol=1e-9)


def test_similarity_needs_distinct_points():
    with pytest.raises(ValueError, match=r"source: expected at least 2 distinct points"):
        fit_similarity(np.ones((3, 2)), np.ones((3, 2)))


def test_canonical_shape_has_its_origin_between_the_eyes_and_their_distance_as_unit():
    shape = canonical_shape(np.stack(landmarks(9)))
    np.testing.assert_allclose(shape, template(), atol=1e-9)


def test_a_clean_track_follows_the_head():
    track = track_from_landmarks(landmarks(20), FRAME)
    assert track.axis_source == ("landmarks",) * 20
    expected = np.stack([motion(t) for t in range(20)])
    np.testing.assert_allclose(track.similarity, expected, rtol=2e-3, atol=0.2)
    down = np.array([matrix[:, 1] / np.linalg.norm(matrix[:, 1]) for matrix in expected])
    np.testing.assert_allclose(track.midline[:, 2:], down, atol=2e-3)
    points = landmarks(20)[10]
    margin = BOX_MARGIN * np.ptp(points, axis=0)
    box = np.concatenate([points.min(axis=0) - margin, points.max(axis=0) + margin])
    np.testing.assert_allclose(track.face_box[10], box, atol=1.0)


def test_gaps_are_carried_between_and_beyond_good_frames():
    points = landmarks(20)
    for t in (0, 8, 9, 10, 18, 19):
        points[t] = None
    track = track_from_landmarks(points, FRAME, sigma=0.0)
    source = ["landmarks"] * 20
    for t in (0, 8, 9, 10, 18, 19):
        source[t] = "carried"
    assert track.axis_source == tuple(source)
    # Between good neighbours: on the way from one to the other.
    np.testing.assert_allclose(track.similarity[9], motion(9), rtol=2e-3, atol=0.2)
    # Before the first and after the last: the nearest good one.
    np.testing.assert_allclose(track.midline[0], track.midline[1])
    np.testing.assert_allclose(track.face_box[19], track.face_box[17])


@pytest.mark.parametrize("wrong", ["scale", "angle", "place"])
def test_a_detection_that_jumps_is_not_believed(wrong):
    points = landmarks(20)
    centre = points[10].mean(axis=0)
    offset = points[10] - centre
    points[10] = {
        "scale": centre + 1.6 * offset,
        "angle": centre + offset @ np.array([[0.6, 0.8], [-0.8, 0.6]]),
        "place": points[10] + [200, 0],
    }[wrong]
    track = track_from_landmarks(points, FRAME)
    assert track.axis_source[10] == "carried"
    assert track.axis_source.count("landmarks") == 19
    np.testing.assert_allclose(track.similarity[10], motion(10), rtol=5e-3, atol=0.5)


def test_hidden_landmarks_count_less():
    points = landmarks(12)
    rng = np.random.default_rng(1)
    masks = np.zeros((12, *FRAME), np.uint8)
    for t, shape in enumerate(points):
        edge = int(np.median(shape[:, 1]))
        masks[t, edge:] = 1
        below = shape[:, 1] > edge
        shape[below] += rng.normal([15, 0], scale=12, size=(below.sum(), 2))
    truth = np.stack([motion(t) for t in range(12)])
    errors = [
        np.abs(track_from_landmarks(points, FRAME, given).similarity - truth)[..., 0].mean()
        for given in (None, masks)
    ]
    assert errors[1] < errors[0]


def test_without_any_landmarks_the_box_decides():
    boxes = np.tile([100.0, 80, 300, 330], (5, 1))
    track = track_from_landmarks([None] * 5, FRAME, fallback_boxes=boxes)
    assert track.axis_source == ("box",) * 5
    np.testing.assert_allclose(track.face_box, boxes)
    whole = track_from_landmarks([None] * 5, FRAME)
    np.testing.assert_allclose(whole.face_box[0], [0, 0, 639, 479])


def test_boxes_alone_give_their_vertical_centre_line():
    boxes = np.column_stack(
        [np.arange(100.0, 108), np.full(8, 50.0), np.arange(300.0, 308), np.full(8, 290.0)]
    )
    boxes[3:5] = np.nan
    track = track_from_boxes(boxes)
    np.testing.assert_allclose(track.midline[:, 0], np.arange(200.0, 208), atol=1e-9)
    np.testing.assert_allclose(track.midline[:, 2:], np.tile([0.0, 1.0], (8, 1)))
    # Carried by the similarity, the first box lands on the last.
    first, last = track.similarity[0], track.similarity[7]
    shift = (last - first)[:, 2]
    np.testing.assert_allclose(shift, [7, 0], atol=1e-9)
    np.testing.assert_allclose(first[:, :2], last[:, :2], atol=1e-9)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (np.full((4, 4), np.nan), "boxes: expected at least one finite box, got none in 4 rows"),
        (np.array([[5.0, 0, 2, 9]]), r"boxes: expected x0 < x1 .*, got \(5, 0, 2, 9\)"),
        (np.zeros((4, 3)), r"boxes: expected shape \(any, 4\), got \(4, 3\)"),
    ],
)
def test_wrong_boxes_are_named(boxes, message):
    with pytest.raises(ValueError, match=message):
        track_from_boxes(boxes)


def test_wrong_landmarks_are_named():
    with pytest.raises(ValueError, match="points: expected one entry for each frame, got none"):
        track_from_landmarks([], FRAME)
    with pytest.raises(ValueError, match=r"points: expected shape \(any, 478, 2\), got \(1, 68, 2"):
        track_from_landmarks([np.zeros((68, 2))], FRAME)
    with pytest.raises(ValueError, match=r"masks: expected shape \(2, 480, 640\), got \(3, 480"):
        track_from_landmarks(landmarks(2), FRAME, np.zeros((3, *FRAME), np.uint8))


def test_the_box_around_landmarks_has_a_margin() -> None:
    box = boxes_around(np.array([[[10.0, 20], [20, 60]]]))
    np.testing.assert_allclose(box, [[9.5, 18, 20.5, 62]])
