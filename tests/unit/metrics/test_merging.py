import pytest
from tests.helpers.metric_cases import CASES, VIDEOS, fed, values
from torchmetrics import Metric


@pytest.mark.parametrize("name", CASES)
def test_two_halves_merged_equal_the_whole(name: str) -> None:
    first, second = fed(name, range(2)), fed(name, range(2, VIDEOS))
    for mine, other in zip(first.modules(), second.modules(), strict=True):
        if isinstance(mine, Metric):
            mine.merge_state(other)
    whole = fed(name, range(VIDEOS))
    assert values(first.compute()) == pytest.approx(values(whole.compute()), rel=1e-12)
