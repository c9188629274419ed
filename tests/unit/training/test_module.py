"""One training step: what it depends on, what it moves, and what it leaves alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from tests.helpers.tiny import (
    build_tiny,
    fingerprint,
    tiny_batch,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)

from diffmvr.losses import DecodedLoss, DenoisingLoss, MotionConsistencyLoss
from diffmvr.models.dual_guide_attention import DualGuideAttnProcessor
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.vae import encode_latents
from diffmvr.structures import ClipBatch
from diffmvr.training.encoding import ClipEncoder
from diffmvr.training.module import DiffMVRModule


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("on", "reference", "moves"),
    [
        ("pred_x0", "zero", True),
        ("pred_prev", "zero", True),
        ("noisy", "zero", False),
        ("pred_x0", "target", True),
        ("pred_prev", "target", True),
        ("noisy", "target", False),
    ],
)
def test_the_motion_loss_reaches_the_u_net_unless_it_is_on_the_noisy_latents(
    frozen_parts: Path, kind: str, on: str, reference: str, moves: bool
) -> None:
    module = tiny_module(frozen_parts, motion=MotionConsistencyLoss(on=on, reference=reference))
    module.scheduler.register_to_config(prediction_type=kind)
    losses = module.losses(tiny_batch(), seeded())
    assert losses["motion"].item() > 0
    # A zero that autograd can walk through, so that "no graph" and "gradient 0" look the same.
    parameters = list(module.unet.parameters())
    anchor = 0.0 * sum(parameter.sum() for parameter in parameters)
    gradients = torch.autograd.grad(losses["motion"] + anchor, parameters)
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert (norm > 1e-4) if moves else (norm == 0.0)


def test_all_frames_of_a_clip_share_a_timestep(
    frozen_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, seen = tiny_module(frozen_parts), []
    module.unet.register_forward_pre_hook(lambda _unet, inputs: seen.append(inputs[1]))
    module.losses(tiny_batch(clips=3, frames=4), seeded())
    per_clip = seen[0].view(3, 4)
    assert (per_clip == per_clip[:, :1]).all()
    assert per_clip[:, 0].unique().numel() > 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_clips_trains_where_sampling_starts(frozen_parts: Path, share: float) -> None:
    module, seen = tiny_module(frozen_parts, first_step_share=share), []
    module.unet.register_forward_pre_hook(lambda _unet, inputs: seen.append(inputs[1]))
    batch = tiny_batch(clips=8, frames=1)
    module.losses(batch, seeded(6))
    module.eval().losses(batch, seeded(6))
    trained, validated = ((timesteps == 999).float().mean().item() for timesteps in seen)
    assert trained == share if share in (0.0, 1.0) else 0 < trained < 1
    assert validated == 0, "validation draws uniformly"


def test_the_hidden_part_of_the_input_is_the_target_only(frozen_parts: Path) -> None:
    # Other hidden pixels change the loss's target, but not what the U-Net is told.
    module, batch = tiny_module(frozen_parts), tiny_batch()
    noise = torch.rand(batch.pixel_values.shape, generator=seeded(3)) * 2 - 1
    changed = batch.pixel_values.clone()  # of the same memory layout: bit for bit needs that
    hidden = batch.mask.expand_as(changed) > 0
    changed[hidden] = noise[hidden]
    other = ClipBatch(**{**vars(batch), "pixel_values": changed})
    encoder = ClipEncoder(module.components, cache=False)
    one, two = encoder(batch), encoder(other)
    assert not torch.allclose(one.latents, two.latents)
    for name in ("mask", "masked_latents", "guide_latents", "image_embeds"):
        assert torch.equal(getattr(one.conditions, name), getattr(two.conditions, name)), name


def test_the_decoded_loss_trains_the_unet_and_not_the_autoencoder(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts, decoded=DecodedLoss(weight=1.0))
    assert "decoded" not in tiny_module(frozen_parts).losses(tiny_batch(), seeded())
    module.losses(tiny_batch(), seeded())["decoded"].backward()
    assert any(p.grad is not None and p.grad.any() for p in module.unet.parameters())
    assert all(p.grad is None for p in module.components.vae.parameters())


def test_the_weight_of_the_expression_reaches_the_losses(frozen_parts: Path) -> None:
    face = torch.tensor([[8.0, 0.0, 15.0], [0.0, 8.0, 14.0]])
    seen = replace(tiny_batch(), similarity=face.expand(2, 4, 2, 3))
    far = torch.tensor([[8.0, 0.0, 999.0], [0.0, 8.0, 14.0]])
    away = replace(seen, similarity=far.expand(2, 4, 2, 3))
    found = []
    for weight in (1.0, 5.0):
        module = tiny_module(
            frozen_parts,
            cache_encodings=False,  # a clip that was seen would not be encoded again
            denoising=DenoisingLoss(expression_weight=weight),
            decoded=DecodedLoss(1.0, weight),
        )
        found.append([module.losses(batch, seeded(1)) for batch in (seen, away)])
    for name in ("denoising", "decoded"):
        (plain, plain_away), (weighed, weighed_away) = ([x[name] for x in row] for row in found)
        assert torch.equal(plain, plain_away) and torch.equal(plain, weighed_away), name
        assert not torch.allclose(plain, weighed), name


def test_losses_follow_the_generator_alone(frozen_parts: Path) -> None:
    module, batch = tiny_module(frozen_parts), tiny_batch()
    first = module.losses(batch, seeded(1))
    torch.rand(5)
    again, other = module.losses(batch, seeded(1)), module.losses(batch, seeded(2))
    assert first["denoising"] == again["denoising"] != other["denoising"]


def test_each_step_has_its_own_noise(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts, seed=3)
    draws = {torch.rand(2, generator=module._generator(step)).sum().item() for step in range(20)}
    assert len(draws) == 20


def test_guide_latents_are_dropped_by_clip_in_training_only(frozen_parts: Path) -> None:
    module, batch = tiny_module(frozen_parts, guide_latent_dropout=0.5), tiny_batch(clips=6)
    seen: list[torch.Tensor] = []
    module.unet.register_forward_pre_hook(lambda _unet, inputs: seen.append(inputs[0][:, 9:]))
    module.losses(batch, seeded(5))
    module.eval().losses(batch, seeded(5))
    kept = seen[0].unflatten(0, (6, 4)).abs().amax(dim=(1, 2, 3, 4)) > 0
    assert 0 < kept.sum() < 6
    whole = seen[1].unflatten(0, (6, 4))
    assert (whole.abs().amax(dim=(1, 2, 3, 4)) > 0).all()
    assert torch.equal(seen[0].unflatten(0, (6, 4))[kept], whole[kept])


def test_remembered_encodings_are_the_encodings(frozen_parts: Path) -> None:
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    batch = tiny_batch()
    plain, remembering = ClipEncoder(components, cache=False), ClipEncoder(components, cache=True)
    fresh, first, second = plain(batch), remembering(batch), remembering(batch)
    assert torch.equal(first.latents, second.latents)
    torch.testing.assert_close(first.latents, fresh.latents, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        first.latents, encode_latents(components.vae, batch.pixel_values.flatten(0, 1))
    )
    for name in ("mask", "masked_latents", "guide_latents", "image_embeds", "guide_valid"):
        assert torch.equal(getattr(first.conditions, name), getattr(second.conditions, name)), name
        torch.testing.assert_close(
            getattr(first.conditions, name), getattr(fresh.conditions, name), rtol=1e-4, atol=1e-5
        )
    # Another window of the same clip is another entry.
    later = ClipBatch(
        **{**vars(batch), "frame_index": batch.frame_index + 4, "pixel_values": -batch.pixel_values}
    )
    assert not torch.allclose(remembering(later).latents, first.latents)


class Modes(L.Callback):
    """Whether the parts are in training mode at every training step."""

    def __init__(self) -> None:
        self.trained: list[bool] = []
        self.frozen: list[bool] = []
        self.validated: list[bool] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.trained.append(pl_module.unet.training and pl_module.projector.training)
        parts = pl_module.components
        self.frozen.append(parts.vae.training or parts.image_encoders[0].training)

    def on_validation_batch_start(self, trainer, pl_module, *_args) -> None:
        self.validated.append(pl_module.unet.training)


@pytest.fixture(scope="module")
def fitted(
    frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DiffMVRModule, dict, Path, Modes]:
    """A module after five steps, what it was before, and its run's folder."""
    folder = tmp_path_factory.mktemp("fit")
    module = tiny_module(frozen_parts, GuideSettings(pathway="both", fusion="learned"))
    parts = module.components
    before = {
        "vae": fingerprint(parts.vae),
        "tower": fingerprint(parts.image_encoders[0]),
        "unet": fingerprint(parts.unet),
        "projector": fingerprint(parts.projector),
    }
    modes = Modes()
    checkpoint = ModelCheckpoint(folder, "last", every_n_train_steps=5)
    trainer = tiny_trainer(
        folder,
        5,
        [checkpoint, modes],
        logger=CSVLogger(folder, name="", version=""),
        log_every_n_steps=2,
    )
    trainer.fit(module.train(), datamodule=tiny_datamodule(clips=7, batch_frames=4))
    return module, before, folder, modes


def test_training_moves_the_u_net_and_the_projectors_and_nothing_else(fitted) -> None:
    module, before, _, _ = fitted
    parts = module.components
    assert fingerprint(parts.vae) == before["vae"]
    assert fingerprint(parts.image_encoders[0]) == before["tower"]
    for name, part in (("unet", parts.unet), ("projector", parts.projector)):
        after = fingerprint(part)
        same = [key for key in after if after[key] == before[name][key]]
        assert not same, f"{name}: these never moved: {same}"


def test_frozen_parts_take_no_part(fitted) -> None:
    module, _, folder, modes = fitted
    frozen = [module.components.vae, *module.components.image_encoders]
    frozen_ids = {id(p) for part in frozen for p in part.parameters()}
    optimized = {id(p) for group in module.optimizers().param_groups for p in group["params"]}
    assert not frozen_ids & optimized
    assert optimized == {id(p) for p in module.parameters()}
    for part in frozen:
        assert all(p.grad is None and not p.requires_grad for p in part.parameters())
    saved = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    assert {key.split(".")[0] for key in saved} == {"unet", "projector"}
    # .train() of the module never reaches them.
    assert modes.trained == [True] * 5 and not any(modes.frozen)
    assert modes.validated and not any(modes.validated)


def test_what_is_logged(fitted) -> None:
    polars = pytest.importorskip("polars")
    _, _, folder, _ = fitted
    rows = polars.read_csv(folder / "metrics.csv", infer_schema_length=None)
    training = rows.filter(polars.col("train/loss").is_not_null())
    assert training["step"].to_list() == [1, 3]
    for row in training.iter_rows(named=True):
        total = row["train/loss_denoising"] + 0.1 * row["train/loss_motion"]
        assert row["train/loss"] == pytest.approx(total, rel=1e-5)
        share = 0.1 * row["train/loss_motion"] / total
        assert row["train/motion_share"] == pytest.approx(share, rel=1e-5)
        assert row["train/gradient_norm"] > 0
        pairs = {key: value for key, value in row.items() if key.startswith("alpha/")}
        assert len(pairs) == 2 * 4  # two guides in each of four layers
        layers = {key.rsplit("/", 1)[0] for key in pairs}
        for layer in layers:
            assert pairs[f"{layer}/past"] + pairs[f"{layer}/symmetric"] == pytest.approx(
                1, abs=1e-5
            )
    # Not the one of the first step, written late.
    assert training["train/gradient_norm"].n_unique() == 2
    assert rows["val/loss_denoising"].drop_nulls().len() == 2
    assert rows["val/loss_motion"].drop_nulls().len() == 2


def test_the_logged_gradient_norm_is_that_of_its_step(
    frozen_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []

    class Norms(L.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            squares = [p.grad.square().sum() for p in pl_module.parameters() if p.grad is not None]
            norms.append(torch.stack(squares).sum().sqrt().item())

    logger = CSVLogger(tmp_path, name="", version="")
    trainer = tiny_trainer(
        tmp_path, 4, [Norms()], logger=logger, log_every_n_steps=2, limit_val_batches=0
    )
    trainer.fit(tiny_module(frozen_parts), datamodule=tiny_datamodule(clips=7, batch_frames=4))
    polars = pytest.importorskip("polars")
    logged = polars.read_csv(tmp_path / "metrics.csv")["train/gradient_norm"].drop_nulls().to_list()
    # Before clipping, at steps 1 and 3.
    assert logged == pytest.approx([norms[1], norms[3]], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "trainer"),
    [
        ({"channels_last": True}, {}),
        ({"compile_backend": "aot_eager"}, {}),
        ({"optimizer": partial(torch.optim.Adam, lr=1e-3, fused=True)}, {}),
        ({}, {"accumulate_grad_batches": 2}),
    ],
)
def test_a_faster_way_is_the_same_training(
    frozen_parts: Path, tmp_path: Path, changes: dict[str, Any], trainer: dict[str, Any]
) -> None:
    def trained(batch_frames: int, changes: dict[str, Any], **settings: Any) -> DiffMVRModule:
        module = tiny_module(frozen_parts, **changes)
        runner = tiny_trainer(tmp_path, 2, limit_val_batches=0, **settings)
        runner.fit(module, datamodule=tiny_datamodule(batch_frames=batch_frames))
        return module

    accumulated = trainer.get("accumulate_grad_batches", 1)
    plain, other = trained(8, {}), trained(8 // accumulated, changes, **trainer)
    assert plain.state_dict().keys() == other.state_dict().keys()
    for (name, one), two in zip(plain.named_parameters(), other.parameters(), strict=True):
        # Two steps of at most 1e-3 each; a tiny gradient's sign may be rounding.
        assert (one - two).abs().mean() < 1e-5, name


def test_bf16_with_a_fused_optimizer_and_clipping(frozen_parts: Path, tmp_path: Path) -> None:
    # A rate at which a gradient that is not clipped shows.
    fused = partial(torch.optim.SGD, lr=1.0, fused=True)
    module = tiny_module(frozen_parts, optimizer=fused)
    before = [p.detach().clone() for p in module.trainable_parameters()]
    trainer = tiny_trainer(
        tmp_path, 2, limit_val_batches=0, precision="bf16-mixed", gradient_clip_val=1e-3
    )
    trainer.fit(module, datamodule=tiny_datamodule())
    moved = [(p - q).norm() for p, q in zip(module.trainable_parameters(), before, strict=True)]
    assert 0 < torch.stack(moved).norm().item() <= 2.1e-3
    assert all(p.dtype == torch.float32 for p in module.parameters())


def test_every_attention_is_torchs_own(frozen_parts: Path) -> None:
    processors = tiny_module(frozen_parts).unet.attn_processors.values()
    assert {type(p) for p in processors} == {AttnProcessor2_0, DualGuideAttnProcessor}
