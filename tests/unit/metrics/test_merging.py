import pytest
from tests.helpers.metric_cases import CASES, VIDEOS, fed, values


@pytest.mark.parametrize("name", CASES)
def test_two_halves_merged_equal_the_whole(name: str) -> None:
    first, second = fed(name, range(2)), fed(name, range(2, VIDEOS))
    first.merge_state(second)
    whole = fed(name, range(VIDEOS))
    assert values(first.compute()) == pytest.approx(values(whole.compute()), rel=1e-12)
