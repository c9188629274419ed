import pytest
import torch

from diffmvr.metrics.images import check_pair, hole_of, mean_where


def test_an_image_in_the_models_range_is_refused() -> None:
    images = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"preds: expected values in \[0, 255\], got \[-1, -1\]"):
        check_pair(images - 1.0, images)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"preds and target .*\(1, 3, 8, 8\) and \(2, 3, 8, 8\)"):
        check_pair(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask: expected shape \(2, 1, 8, 8\), got \(2, 8, 8\)"):
        hole_of(torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8))


def test_values_outside_the_region_do_not_reach_the_mean_even_if_nan() -> None:
    values = torch.tensor([[[1.0, float("nan")], [3.0, float("inf")]]])
    where = torch.tensor([[[True, False], [True, False]]])
    assert mean_where(values, where).tolist() == [2.0]
