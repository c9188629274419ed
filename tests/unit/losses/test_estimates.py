"""Clean and one-step denoised latents, against diffusers' own DDPM sampler."""

import pytest
import torch
from diffusers import DDPMScheduler
from tests.helpers.tiny import tiny_scheduler

from diffmvr.losses.estimates import predict_clean, predict_previous, training_target

KINDS = ["epsilon", "v_prediction"]
TIMESTEPS = [0, 1, 37, 500, 998, 999]


def random_latents(seed: int, frames: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, 4, 4, 4, generator=generator)


def double_scheduler(kind: str) -> DDPMScheduler:
    """DDPM with its tables in float64, so that the comparison is about formulas."""
    scheduler = DDPMScheduler.from_config(tiny_scheduler(kind).config, clip_sample=False)
    scheduler.betas = scheduler.betas.double()
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    scheduler.one = scheduler.one.double()
    return scheduler


@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_target_recovers_the_clean_latents(kind: str) -> None:
    scheduler = tiny_scheduler(kind)
    timesteps = torch.tensor(TIMESTEPS)
    clean, noise = random_latents(0, len(TIMESTEPS)), random_latents(1, len(TIMESTEPS))
    noisy = scheduler.add_noise(clean, noise, timesteps)
    target = training_target(scheduler, clean, noise, timesteps)
    recovered = predict_clean(scheduler, target, noisy, timesteps)
    # 1/√ᾱ is 36 at the last step: float32 loses two digits there.
    torch.testing.assert_close(recovered, clean, rtol=1e-3, atol=1e-3)


def test_epsilon_is_the_noise_itself() -> None:
    noise = random_latents(1)
    target = training_target(tiny_scheduler("epsilon"), random_latents(0), noise, torch.tensor([5]))
    assert target is noise


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timestep", TIMESTEPS)
def test_previous_is_the_mean_of_the_ddpm_step(
    kind: str, timestep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = double_scheduler(kind)
    noisy, output = random_latents(2).double(), random_latents(3).double()
    # Without the variance, DDPM's step is its mean.
    monkeypatch.setattr(scheduler, "_get_variance", lambda *_, **__: torch.tensor(0.0))
    expected = scheduler.step(output, timestep, noisy).prev_sample
    got = predict_previous(scheduler, output, noisy, torch.tensor([timestep]))
    torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_goes_by_its_own_timestep(kind: str) -> None:
    scheduler = tiny_scheduler(kind)
    timesteps = torch.tensor(TIMESTEPS)
    noisy, output = random_latents(2, len(TIMESTEPS)), random_latents(3, len(TIMESTEPS))
    for estimate in (predict_clean, predict_previous):
        together = estimate(scheduler, output, noisy, timesteps)
        for index in range(len(TIMESTEPS)):
            one = slice(index, index + 1)
            alone = estimate(scheduler, output[one], noisy[one], timesteps[one])
            torch.testing.assert_close(together[one], alone)


def test_another_prediction_type_is_named() -> None:
    scheduler = tiny_scheduler("sample")
    with pytest.raises(ValueError, match=r"scheduler\.prediction_type: .*got 'sample'"):
        training_target(scheduler, random_latents(0), random_latents(1), torch.tensor([1]))
