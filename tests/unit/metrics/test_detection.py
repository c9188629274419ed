import numpy as np
import pytest

from diffmvr.metrics.detection import detection_scores, region_iou


def square(x0, x1):
    mask = np.zeros((10, 20), np.uint8)
    mask[:, x0:x1] = 1
    return mask


def test_iou_by_hand():
    assert region_iou(square(0, 10), square(5, 15)) == pytest.approx(5 / 15)
    assert region_iou(square(3, 8), square(3, 8)) == 1
    assert region_iou(square(0, 5), square(5, 9)) == 0
    assert np.isnan(region_iou(square(0, 0), square(0, 0)))


def test_iou_needs_equal_shapes():
    with pytest.raises(ValueError, match=r"found and truth .* \(10, 20\) and \(3, 3\)"):
        region_iou(square(0, 1), np.zeros((3, 3)))


def test_scores_by_hand():
    # Two found, one missed, one poor; two clear images, one with a false alarm.
    ious = [0.9, 0.7, 0.0, 0.4, float("nan"), 0.0]
    scores = detection_scores(ious, [True] * 4 + [False] * 2)
    assert scores.accuracy == pytest.approx(3 / 6)
    assert scores.mean_iou == pytest.approx(0.5)
    assert scores.mean_iou_found == pytest.approx(0.8)
    assert scores.recall == pytest.approx(0.5)
    assert scores.false_alarms == pytest.approx(0.5)
    assert (scores.images, scores.occupied) == (6, 4)


def test_scores_without_objects_or_without_clear_images():
    assert np.isnan(detection_scores([float("nan")], [False]).mean_iou)
    perfect = detection_scores([1.0], [True])
    assert perfect.accuracy == perfect.mean_iou == 1
    assert np.isnan(perfect.false_alarms)


def test_scores_need_images():
    with pytest.raises(ValueError, match="got 0 and 0"):
        detection_scores([], [])
