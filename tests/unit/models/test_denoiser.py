"""A network that knows the residual gives the prediction for the frame, whatever is predicted."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler

from diffmvr.losses.estimates import predict_clean, training_target
from diffmvr.models.conditioning import Conditions
from diffmvr.models.denoiser import predict

N, C, SIDE = 3, 4, 8


def conditions(reference: torch.Tensor) -> Conditions:
    return Conditions(
        mask=torch.ones(N, 1, SIDE, SIDE),
        masked_latents=torch.zeros(N, C, SIDE, SIDE),
        guide_latents=torch.zeros(N, 0, C, SIDE, SIDE),
        image_embeds=torch.zeros(1, N, 1, 8),
        guide_valid=torch.ones(N, 1, dtype=torch.bool),
        reference_latents=reference,
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_knowing_the_residual_is_knowing_the_frame(kind: str) -> None:
    scheduler = DDIMScheduler(prediction_type=kind, clip_sample=False)
    clean, noise, reference = (torch.randn(N, C, SIDE, SIDE) for _ in range(3))
    timesteps = torch.tensor([10, 500, 900])
    noisy = scheduler.add_noise(clean, noise, timesteps)
    seen = []

    def knows_the_residual(sample, _timesteps, _tokens):
        seen.append(sample[:, :C])
        return SimpleNamespace(
            sample=training_target(scheduler, clean - reference, noise, timesteps)
        )

    output = predict(knows_the_residual, scheduler, noisy, timesteps, conditions(reference), ())
    torch.testing.assert_close(
        seen[0], scheduler.add_noise(clean - reference, noise, timesteps), atol=1e-5, rtol=1e-5
    )
    estimate = predict_clean(scheduler, output, noisy, timesteps)
    torch.testing.assert_close(estimate, clean, atol=1e-4, rtol=1e-4)


def test_without_a_reference_nothing_is_changed() -> None:
    scheduler = DDIMScheduler(prediction_type="v_prediction")
    noisy, answer = torch.randn(N, C, SIDE, SIDE), torch.randn(N, C, SIDE, SIDE)

    def unet(sample, _timestep, _tokens):
        assert torch.equal(sample[:, :C], noisy)
        return SimpleNamespace(sample=answer)

    nothing = conditions(torch.zeros(N, C, SIDE, SIDE))
    assert torch.equal(predict(unet, scheduler, noisy, torch.tensor(999), nothing, ()), answer)
