"""Percentiles of latencies, in bounded memory."""

import numpy as np
import pytest

from diffmvr.restoration.live.latency import Latencies


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_percentiles_are_those_of_the_values(share: float) -> None:
    values = np.random.default_rng(0).gamma(2, 0.1, 999)
    latencies = Latencies()
    for value in values:
        latencies.add(float(value))

    exact = float(np.quantile(values, share, method="inverted_cdf"))
    found = latencies.percentile(share)

    assert len(latencies) == 999
    assert found == pytest.approx(exact, abs=0.00051)


def test_without_a_frame_there_is_none_and_an_hour_counts_as_two_minutes() -> None:
    latencies = Latencies()
    assert latencies.percentile(0.5) is None
    latencies.add(3600.0)
    assert latencies.percentile(0.5) == 120.0
