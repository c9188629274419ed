"""A few of many, evenly spread."""

import numpy as np
import pytest

from diffmvr.restoration.spread import Spread


@pytest.mark.parametrize("count", [0, 1, 5, 12, 13, 100, 12_345])
def test_few_are_kept_and_evenly_spread(count: int) -> None:
    spread: Spread[int] = Spread(6)
    made = 0
    for k in range(count):
        wanted = spread.wants_next()
        made += wanted
        spread.add(k if wanted else None)

    assert min(count, 6) <= len(spread.items) <= 12
    steps = set(np.diff(spread.items).tolist())
    assert len(steps) <= 1
    if count:
        assert spread.items[0] == 0
        assert count - spread.items[-1] <= 2 * max(steps, default=1)
    assert made <= 12 + 6 * np.log2(max(count, 1))
