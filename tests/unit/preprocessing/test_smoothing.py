import numpy as np
import pytest

from diffmvr.preprocessing.smoothing import smooth_over_time


def test_a_constant_and_a_steady_motion_are_kept():
    steady = np.column_stack([np.full(30, 7.0), np.linspace(0, 100, 30)])
    np.testing.assert_allclose(smooth_over_time(steady, sigma=2.0), steady, atol=1e-9)


def test_a_single_wild_frame_is_removed_and_its_neighbours_stay():
    values = np.linspace(0, 10, 21)[:, None]
    wild = values.copy()
    wild[10] += 500
    # The running median stands in for the wild value: one step of 0.5 off at most.
    np.testing.assert_allclose(smooth_over_time(wild, sigma=0.0), values, atol=0.51)


def test_noise_is_reduced():
    noise = np.random.default_rng(0).normal(size=(400, 1))
    assert smooth_over_time(noise, sigma=2.0).std() < 0.5 * noise.std()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_tracks_keep_their_length(length):
    values = np.arange(length, dtype=float)[:, None]
    np.testing.assert_allclose(smooth_over_time(values, sigma=5.0), values, atol=1e-9)


def test_negative_sigma_is_an_error():
    with pytest.raises(ValueError, match=r"sigma: expected a number in \[0, inf\], got -1"):
        smooth_over_time(np.zeros((3, 1)), sigma=-1)
