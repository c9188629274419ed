"""Tuning text-guided inpainters, on tiny networks of Stable Diffusion's own classes."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from tests.helpers.text_inpainter import tiny_text_inpainter
from tests.helpers.tiny import TextureClips, fingerprint, tiny_trainer

from diffmvr.data.still_frames import StillFrames, choose_still_frames
from diffmvr.models.vae import encode_latents
from diffmvr.runs.checkpoint_io import VerifiedCheckpointIO
from diffmvr.structures import to_pixel_values
from diffmvr.training.draws import SharedDraws
from diffmvr.training.exact_resume import CRASH_FILE, ExactResume
from diffmvr.training.text_inpainting import Prior, TextInpaintingModule, paint_prior_images

FRAMES = choose_still_frames(TextureClips(2), [0, 1], frames=4)
PIXELS = to_pixel_values(FRAMES.images)


def build(pipeline: Any = None, prepare: bool = True, **changes: Any) -> TextInpaintingModule:
    settings: dict[str, Any] = {
        "frames": FRAMES,
        "prompt": "remove hands",
        "optimizer": partial(torch.optim.AdamW, lr=2e-2),
        "batch_size": 2,
        "resolution": 32,
    }
    module = TextInpaintingModule(pipeline or tiny_text_inpainter(), **{**settings, **changes})
    if prepare:
        module.on_fit_start()
    return module


class Silent(torch.nn.Module):
    """A U-Net that predicts zero and remembers what it was given."""

    def __init__(self, module: TextInpaintingModule) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []
        self.channels = module.pipeline.vae.config.latent_channels

    def forward(self, inputs: torch.Tensor, timesteps: Any, embeddings: Any) -> Any:
        self.seen.append(inputs)
        self.timesteps, self.embeddings = timesteps, embeddings

        class Output:
            sample = torch.zeros_like(inputs[:, : self.channels])

        return Output


def silence(module: TextInpaintingModule) -> Silent:
    module.unet = Silent(module)
    module.log = lambda *_, **__: None  # type: ignore  # there is no trainer to log to
    module.trainer = SimpleNamespace(  # type: ignore
        global_step=0, global_rank=0, world_size=1, accumulate_grad_batches=1
    )
    return module.unet


def test_the_network_sees_the_hole_and_not_what_is_in_it() -> None:
    module = build()
    unet = silence(module)
    hole = torch.from_numpy(FRAMES.masks[:1, None]).bool()
    everywhere = StillFrames(FRAMES.images, FRAMES.masks[:1], FRAMES.subjects)
    module._frames = everywhere
    other = torch.where(hole, torch.rand_like(PIXELS[:2]), PIXELS[:2])
    for images in (PIXELS[:2], other):
        module.training_step(images, 0)
    first, second = unet.seen
    assert first.shape == (2, 9, 4, 4)
    torch.testing.assert_close(first[:, 4:], second[:, 4:], rtol=0, atol=0)
    assert (first[:, :4] != second[:, :4]).any()
    # Mid-grey in the hole, as the pipeline itself prepares it.
    grey = torch.where(hole, 0.0, PIXELS[:2])
    torch.testing.assert_close(first[:, 5:], encode_latents(module.pipeline.vae, grey))
    assert set(first[:, 4].unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(unet.embeddings[0], unet.embeddings[1])
    expected = module.pipeline.encode_prompt("remove hands", "cpu", 1, False)[0]
    torch.testing.assert_close(unet.embeddings[:1], expected)


def test_a_text_to_image_network_sees_no_hole() -> None:
    module = build(tiny_text_inpainter(in_channels=4))
    unet = silence(module)
    module.training_step(PIXELS[:2], 0)
    assert unet.seen[0].shape == (2, 4, 4, 4)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_the_schedules_own_target(kind: str) -> None:
    module = build(tiny_text_inpainter(prediction_type=kind))
    unet = silence(module)
    loss = module.training_step(PIXELS[:2], 0)
    latents = encode_latents(module.pipeline.vae, PIXELS[:2]).double()
    cumulative = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2, 0)
    signal = cumulative[unet.timesteps].sqrt().view(-1, 1, 1, 1)
    sigma = (1 - cumulative[unet.timesteps]).sqrt().view(-1, 1, 1, 1)
    noise = (unet.seen[0][:, :4].double() - signal * latents) / sigma
    target = noise if kind == "epsilon" else signal * noise - sigma * latents
    assert loss.item() == pytest.approx(target.square().mean().item(), rel=1e-3)


def test_the_prior_is_a_second_loss_under_its_own_prompt() -> None:
    prior = Prior(255 - FRAMES.images, "a photo of a face", weight=0.5)
    module = build(prior=prior)
    unet = silence(module)
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore
    total = module.training_step(PIXELS[:2], 0)
    assert len(unet.seen) == 2 and len(unet.seen[1]) == 2
    assert total.item() == pytest.approx(
        logged["train/loss_frames"] + 0.5 * logged["train/loss_prior"]
    )
    expected = module.pipeline.encode_prompt("a photo of a face", "cpu", 1, False)[0]
    torch.testing.assert_close(unet.embeddings[:1], expected)


def test_frames_are_trained_at_the_resolution_asked_for() -> None:
    module = build(resolution=64)
    unet = silence(module)
    module.training_step(module._to_pixels(list(FRAMES.images[:1])), 0)
    assert unet.seen[0].shape == (1, 9, 8, 8)


def test_a_few_images_are_learnt_and_only_by_the_network(tmp_path: Any) -> None:
    pipeline = tiny_text_inpainter()
    module = build(pipeline, prepare=False)
    frozen = {name: fingerprint(getattr(pipeline, name)) for name in ("vae", "text_encoder")}
    before = fingerprint(pipeline.unet)

    def loss() -> float:
        draws = SharedDraws(torch.Generator().manual_seed(5))
        losses = [module._denoising(PIXELS, module._embeddings[0], draws) for _ in range(8)]
        return float(torch.stack(losses).mean())

    module.on_fit_start()
    with torch.no_grad():
        at_first = loss()
    tiny_trainer(tmp_path, max_steps=30).fit(module)
    with torch.no_grad():
        assert loss() < 0.95 * at_first
    assert all(name.startswith("unet.") for name in module.state_dict())
    after = fingerprint(pipeline.unet)
    assert sum(after[name] != before[name] for name in after) > 0.9 * len(after)
    for name, digests in frozen.items():
        assert fingerprint(getattr(pipeline, name)) == digests
        assert not any(p.requires_grad for p in getattr(pipeline, name).parameters())


class StopAt(L.Callback):
    """Ends a run by an error before its n-th batch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_start(self, trainer: L.Trainer, *_args: Any) -> None:
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch:
            raise RuntimeError("stopped here")


def test_a_run_stopped_within_an_epoch_goes_on_exactly(tmp_path: Path) -> None:
    def trained(*callbacks: L.Callback, resume: Path | None = None) -> dict[str, str]:
        module = build(prepare=False, batch_size=1, prior=Prior(255 - FRAMES.images, "a face"))
        callbacks = (*callbacks, ExactResume(tmp_path))
        trainer = tiny_trainer(tmp_path, 7, callbacks, plugins=[VerifiedCheckpointIO()])
        trainer.fit(module, ckpt_path=resume, weights_only=True)
        assert (trainer.global_step, trainer.num_training_batches) == (7, 4)
        return fingerprint(module)

    whole = trained()
    with pytest.raises(RuntimeError, match="stopped here"):
        trained(StopAt(5))
    assert trained(resume=tmp_path / CRASH_FILE) == whole


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    def trained(batch_size: int, accumulated: int) -> dict[str, torch.Tensor]:
        # Plain descent: Adam's first steps are signs, which turn rounding into steps.
        module = build(
            prepare=False,
            batch_size=batch_size,
            prior=Prior(255 - FRAMES.images, "a face"),
            optimizer=partial(torch.optim.SGD, lr=1e-1),
        )
        trainer = tiny_trainer(tmp_path, 3, accumulate_grad_batches=accumulated)
        trainer.fit(module)
        assert trainer.global_step == 3
        return module.state_dict()

    torch.testing.assert_close(trained(1, 2), trained(2, 1), rtol=0, atol=1e-6)


def test_prior_images_follow_from_seed_number_and_prompt() -> None:
    pipeline = tiny_text_inpainter()
    paint = partial(paint_prior_images, pipeline, count=2, size=(32, 48), num_inference_steps=2)
    images = paint("a face")
    assert images.shape == (2, 32, 48, 3) and images.dtype == np.uint8
    assert (images[0] != images[1]).any()
    np.testing.assert_array_equal(paint("a face"), images)
    np.testing.assert_array_equal(paint("a face", count=1), images[:1])
    assert (paint("a cat") != images).any() and (paint("a face", seed=1) != images).any()
    with pytest.raises(ValueError, match=r"prior\.images: .*got 0"):
        paint("a face", count=0)


def test_other_networks_and_too_large_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unet\.in_channels: expected one of \[4, 9\], got 5"):
        build(tiny_text_inpainter(in_channels=5))
    with pytest.raises(ValueError, match=r"batch_size: expected a number in \[1, 4\], got 5"):
        build(batch_size=5)
