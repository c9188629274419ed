"""Another sampler on a model's own noise schedule."""

import pytest
import torch
from tests.helpers.tiny import tiny_scheduler

from diffmvr.models.sampler import choose_sampler


def test_another_sampler_has_the_models_noise_schedule() -> None:
    own = tiny_scheduler()
    assert choose_sampler(own, None) is own
    other = choose_sampler(own, "EulerDiscreteScheduler")
    torch.testing.assert_close(other.alphas_cumprod, own.alphas_cumprod)
    assert other.config.prediction_type == own.config.prediction_type


@pytest.mark.parametrize("name", ["Euler", "EDMEulerScheduler", "FlowMatchEulerDiscreteScheduler"])
def test_one_that_does_not_fit_is_said_with_those_that_do(name: str) -> None:
    with pytest.raises(ValueError, match=rf"sampler: .*'DDIMScheduler'.*got '{name}'"):
        choose_sampler(tiny_scheduler(), name)


def test_a_package_that_is_needed_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match="torchsde") as raised:
        choose_sampler(tiny_scheduler(), "DPMSolverSDEScheduler")
    assert "\n" not in str(raised.value)
