"""Eq. 3: closed forms, gradients, and what each option means."""

import pytest
import torch
from tests.helpers.tiny import tiny_scheduler

from diffmvr.losses.estimates import predict_clean, training_target
from diffmvr.losses.motion import ON, MotionConsistencyLoss, motion_consistency_loss

CLIPS, FRAMES, SHAPE = 2, 5, (3, 4, 4)


def random_latents(seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(CLIPS, FRAMES, *SHAPE, generator=generator, dtype=dtype)


@pytest.mark.parametrize("frames", [2, 3, 8])
@pytest.mark.parametrize("slope", [0.5, -2.0])
def test_a_linear_ramp_has_a_closed_form(frames: int, slope: float) -> None:
    # Every pair changes by the slope in every element: 2/N · (N − 1) · slope².
    ramp = slope * torch.arange(frames, dtype=torch.float64)
    latents = ramp.view(1, frames, 1, 1, 1).expand(3, frames, *SHAPE)
    expected = 2 / frames * (frames - 1) * slope**2
    assert motion_consistency_loss(latents).item() == pytest.approx(expected, rel=1e-12)


def test_the_mean_over_elements_makes_it_independent_of_the_size() -> None:
    latents = torch.randn(1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    larger = latents.repeat(1, 1, 2, 2, 3)
    torch.testing.assert_close(motion_consistency_loss(larger), motion_consistency_loss(latents))


def test_it_is_the_mean_over_clips_and_no_pair_spans_two_clips() -> None:
    latents = random_latents()
    apart = [motion_consistency_loss(latents[index : index + 1]) for index in range(CLIPS)]
    torch.testing.assert_close(motion_consistency_loss(latents), torch.stack(apart).mean())
    # A jump between the clips, not within one, costs nothing.
    still = torch.zeros_like(latents)
    still[1] = 100.0
    assert motion_consistency_loss(still).item() == 0.0


def test_a_frozen_clip_is_the_optimum_of_the_papers_form_only() -> None:
    frozen, moving = torch.ones(CLIPS, FRAMES, *SHAPE), random_latents()
    assert motion_consistency_loss(frozen).item() == 0.0
    assert motion_consistency_loss(frozen, reference=moving).item() > 0.5


def test_with_the_target_as_reference_the_truth_costs_nothing() -> None:
    truth = random_latents()
    assert motion_consistency_loss(truth, reference=truth).item() == 0.0
    # Nor does an error that stays the same over time.
    torch.testing.assert_close(
        motion_consistency_loss(truth + 0.75, reference=truth),
        torch.tensor(0.0),
        atol=1e-10,
        rtol=0,
    )
    assert motion_consistency_loss(truth).item() > 0.5


def test_one_frame_has_no_pairs() -> None:
    latents = random_latents()[:, :1].requires_grad_()
    loss = motion_consistency_loss(latents)
    assert loss.item() == 0.0
    loss.backward()
    assert latents.grad is not None and not latents.grad.any()


@pytest.mark.parametrize("with_reference", [False, True])
def test_gradcheck(with_reference: bool) -> None:
    latents = random_latents(1, torch.float64)[:, :3, :2, :2, :2].clone().requires_grad_()
    reference = random_latents(2, torch.float64)[:, :3, :2, :2, :2] if with_reference else None
    assert torch.autograd.gradcheck(lambda x: motion_consistency_loss(x, reference), (latents,))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("on", ON)
def test_only_the_noisy_latents_are_independent_of_the_prediction(on: str, kind: str) -> None:
    scheduler = tiny_scheduler(kind)
    clean = random_latents().flatten(0, 1)
    noise = random_latents(1).flatten(0, 1)
    timesteps = torch.tensor([700, 20]).repeat_interleave(FRAMES)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    output = random_latents(2).flatten(0, 1).requires_grad_()
    loss = MotionConsistencyLoss(on=on)(output, noisy, clean, scheduler, timesteps, FRAMES)
    if on == "noisy":
        assert not loss.requires_grad
        by_hand = noisy.unflatten(0, (CLIPS, FRAMES))
        torch.testing.assert_close(loss, motion_consistency_loss(by_hand))
    else:
        (gradient,) = torch.autograd.grad(loss, output)
        assert gradient.norm() > 0


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_costs_the_true_motion_or_nothing(kind: str) -> None:
    scheduler = tiny_scheduler(kind)
    clean, noise = random_latents().flatten(0, 1), random_latents(1).flatten(0, 1)
    timesteps = torch.tensor([300, 600]).repeat_interleave(FRAMES)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    output = training_target(scheduler, clean, noise, timesteps)
    arguments = (output, noisy, clean, scheduler, timesteps, FRAMES)
    paper = MotionConsistencyLoss(on="pred_x0", reference="zero")(*arguments)
    torch.testing.assert_close(
        paper, motion_consistency_loss(random_latents()), rtol=1e-4, atol=1e-5
    )
    ours = MotionConsistencyLoss(on="pred_x0", reference="target")(*arguments)
    torch.testing.assert_close(ours, torch.tensor(0.0), rtol=0, atol=1e-8)
    torch.testing.assert_close(
        predict_clean(scheduler, output, noisy, timesteps), clean, rtol=1e-4, atol=1e-4
    )


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"weight: .*got -1"):
        MotionConsistencyLoss(weight=-1)
    with pytest.raises(ValueError, match=r"weight: .*got nan"):
        MotionConsistencyLoss(weight=float("nan"))
    with pytest.raises(ValueError, match=r"loss\.motion\.on: .*'pred_x0'.*got 'x0'"):
        MotionConsistencyLoss(on="x0")
    with pytest.raises(ValueError, match=r"loss\.motion\.reference: .*got 'truth'"):
        MotionConsistencyLoss(reference="truth")
    with pytest.raises(ValueError, match=r"latents: expected shape .*got \(2, 3, 4, 4\)"):
        motion_consistency_loss(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match=r"latents and reference .*\(1, 2, 3, 4, 4\)"):
        motion_consistency_loss(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 3, 3, 4, 4))
