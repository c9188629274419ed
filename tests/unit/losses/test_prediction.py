"""What the losses are of, and which more of them there may be."""

import pytest
import torch
from tests.helpers.tiny import tiny_scheduler
from torch import nn

from diffmvr.losses.prediction import Prediction, check_terms


class Term(nn.Module):
    weight = 0.5


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_what_is_said_perfectly_is_the_target_and_the_clean_latents(kind: str) -> None:
    scheduler = tiny_scheduler()
    scheduler.register_to_config(prediction_type=kind)
    latents, noise = torch.randn(4, 4, 3, 3), torch.randn(4, 4, 3, 3)
    timesteps = torch.tensor([10, 10, 500, 500])
    noisy = scheduler.add_noise(latents, noise, timesteps)
    rest = (latents, noise, timesteps, torch.ones(4, 1, 3, 3), 2, scheduler, lambda z: z)
    target = Prediction(noisy, noisy, *rest).target
    torch.testing.assert_close(
        Prediction(target, noisy, *rest).clean, latents, rtol=1e-4, atol=1e-4
    )


def test_terms_have_a_weight_and_a_name_of_their_own() -> None:
    assert check_terms({"smooth": Term()})
    with pytest.raises(ValueError, match=r"loss\.extra\.motion: expected a name"):
        check_terms({"motion": Term()})
    with pytest.raises(ValueError, match=r"loss\.extra\.smooth: .* got Linear with weight Param"):
        check_terms({"smooth": nn.Linear(1, 1)})
    with pytest.raises(ValueError, match=r"loss\.extra\.smooth: .* got float with weight None"):
        check_terms({"smooth": 0.5})
