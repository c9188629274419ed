"""A clip is moved and lit as one, from its own seed, and its mask stays a mask."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.helpers.tiny import (
    fingerprint,
    smooth_images,
    tiny_batch,
    tiny_datamodule,
    tiny_module,
    tiny_trainer,
)
from torch import Tensor

from diffmvr.config import config_dir
from diffmvr.preprocessing.visible import GREY
from diffmvr.structures import ClipBatch
from diffmvr.training.augmentation import ClipAugmentation
from diffmvr.training.draws import SharedDraws

STILL: dict[str, Any] = {
    **{"flip": 0.0, "degrees": 0.0, "shift": 0.0, "scale": (1.0, 1.0)},
    **{"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
}
MOVED = {**STILL, "flip": 0.5, "degrees": 25.0, "shift": 0.1, "scale": (0.8, 1.2)}
LIT = {**STILL, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05}


def draws(seed: int = 0, part: int = 0, parts: int = 1) -> SharedDraws:
    return SharedDraws(torch.Generator().manual_seed(seed), part, parts)


def images_of(batch: ClipBatch) -> list[Tensor]:
    """Target, observed and every guide of a batch, each ``[B, T, 3, H, W]``."""
    guides = batch.guide_pixel_values.unbind(2)
    return [batch.pixel_values, batch.observed_pixel_values, *guides]


def alike(clips: int = 2, frames: int = 3) -> ClipBatch:
    """Clips all of whose images are one picture, in every frame."""
    batch = tiny_batch(clips=clips, frames=frames)
    picture = smooth_images(clips)[:, None].expand(-1, frames, -1, -1, -1)
    return replace(
        batch,
        pixel_values=picture,
        observed_pixel_values=picture,
        guide_pixel_values=picture[:, :, None].expand(-1, -1, 2, -1, -1, -1),
    )


def same(one: ClipBatch, other: ClipBatch) -> bool:
    pairs = zip([*images_of(one), one.mask], [*images_of(other), other.mask], strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_same_seed_gives_the_same_clips_and_leaves_the_global_generator_alone() -> None:
    augment, batch = ClipAugmentation(guide_light=0.1), tiny_batch()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = augment(batch, draws(1))
    assert torch.equal(torch.rand(3), expected)
    assert same(first, augment(batch, draws(1)))
    assert not same(first, augment(batch, draws(2)))


@pytest.mark.parametrize("parts", [2, 4])
def test_a_clip_is_augmented_alike_however_the_step_is_spread(parts: int) -> None:
    augment, batch = ClipAugmentation(), tiny_batch(clips=4)
    whole = augment(batch, draws())
    size = 4 // parts
    for part in range(parts):
        own = slice(part * size, (part + 1) * size)
        piece = replace(
            batch,
            **{name: getattr(batch, name)[own] for name in vars(batch)},
        )
        got = augment(piece, draws(0, part, parts))
        assert torch.equal(got.pixel_values, whole.pixel_values[own])
        assert torch.equal(got.mask, whole.mask[own])


@pytest.mark.parametrize("settings", [MOVED, LIT], ids=["moved", "lit"])
def test_all_images_of_a_clip_change_alike_and_no_two_clips(settings: dict[str, Any]) -> None:
    batch = alike()
    changed = ClipAugmentation(**settings)(batch, draws())
    for image in images_of(changed):
        assert torch.equal(image, images_of(changed)[0][:, :1].expand_as(image))
        assert not torch.allclose(image[:, 0], batch.pixel_values[:, 0], atol=0.02)
    # One picture in two clips: each is drawn for by itself.
    twice = replace(batch, pixel_values=batch.pixel_values[:1].expand(2, -1, -1, -1, -1))
    one, other = ClipAugmentation(**settings)(twice, draws()).pixel_values
    assert not torch.allclose(one, other, atol=0.02)


def test_the_mask_stays_0_and_1_and_lies_where_the_image_goes() -> None:
    batch = tiny_batch(clips=6)
    # A picture of the mask: in the augmented target it is where the augmented mask is.
    picture = (2.0 * batch.mask - 1.0).expand_as(batch.pixel_values)
    moved = ClipAugmentation(**MOVED)(replace(batch, pixel_values=picture), draws(3))
    assert set(moved.mask.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(moved.mask, batch.mask)
    inside = (moved.pixel_values[:, :, :1] > 0).float()
    # Along the rim, nearest and bilinear may round a pixel either way.
    assert (inside != moved.mask).float().mean() < 0.01
    assert torch.equal(moved.guide_valid, batch.guide_valid)


def test_the_face_goes_with_the_picture() -> None:
    face = torch.tensor([[8.0, 0.0, 15.0], [0.0, 8.0, 14.0]])
    batch = replace(tiny_batch(clips=6), similarity=face.expand(6, 4, 2, 3))
    place = torch.tensor([0.1, 0.2, 1.0])
    spots = batch.similarity @ place
    side = batch.mask.shape[-1]
    grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy"))
    # A soft spot where that place of the face is.
    distance = (grid - spots[..., None, None]).square().sum(dim=2, keepdim=True)
    picture = (2.0 * torch.exp(-distance / 8.0) - 1.0).expand_as(batch.pixel_values)
    moved = ClipAugmentation(**MOVED)(replace(batch, pixel_values=picture), draws(3))
    weight = (moved.pixel_values[:, :, 0] + 1.0).square()
    found = (weight[:, :, None] * grid).sum(dim=(3, 4)) / weight.sum(dim=(2, 3))[..., None]
    expected = moved.similarity @ place
    assert not torch.allclose(expected, spots, atol=0.5)
    # What lies near an edge is seen a second time, mirrored.
    inside = ((expected > 5) & (expected < side - 6)).all(dim=-1)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(found[inside], expected[inside], atol=0.5, rtol=0)


def test_a_mirrored_guide_stays_the_mirror_image_of_its_frame() -> None:
    # No shear: what two images are to each other, they are after the move.
    batch = tiny_batch(clips=1, frames=1)
    frame = smooth_images(1)[0]
    guides = torch.stack([frame.flip(-1), frame])[None, None]
    batch = replace(batch, pixel_values=frame[None, None], guide_pixel_values=guides)
    moved = ClipAugmentation(**{**MOVED, "degrees": 0.0, "shift": 0.0})(batch, draws(1))
    assert torch.allclose(
        moved.guide_pixel_values[0, 0, 0].flip(-1), moved.pixel_values[0, 0], atol=1e-4
    )


def test_light_is_the_same_for_all_but_what_a_guide_does_not_know() -> None:
    batch = alike()
    guides = batch.guide_pixel_values.clone()
    grey = torch.tensor(float(GREY)).div_(127.5).sub_(1.0)
    guides[..., :8, :] = grey
    lit = ClipAugmentation(**LIT)(replace(batch, guide_pixel_values=guides), draws())
    assert (lit.guide_pixel_values[..., :8, :] == grey).all()
    target = lit.pixel_values[:, :, None].expand_as(guides)
    assert torch.equal(lit.guide_pixel_values[..., 8:, :], target[..., 8:, :])
    assert torch.equal(lit.mask, batch.mask)


def test_guides_may_be_lit_otherwise() -> None:
    batch = alike()
    lit = ClipAugmentation(**{**STILL, "guide_light": 0.2})(batch, draws())
    assert torch.equal(lit.pixel_values, batch.pixel_values)
    assert not torch.allclose(lit.guide_pixel_values, batch.guide_pixel_values, atol=0.02)


def test_without_guides_and_with_nothing_to_do() -> None:
    batch = tiny_batch()
    bare = replace(
        batch,
        guide_pixel_values=batch.guide_pixel_values[:, :, :0],
        guide_valid=batch.guide_valid[:, :, :0],
    )
    augmented = ClipAugmentation(guide_light=0.1)(bare, draws())
    assert augmented.guide_pixel_values.shape == bare.guide_pixel_values.shape
    assert same(ClipAugmentation(**STILL)(batch, draws()), batch)


def test_a_clip_whose_hole_would_leave_the_picture_is_not_moved() -> None:
    batch = tiny_batch(clips=8)
    mask = torch.zeros_like(batch.mask)
    mask[..., 16:18, :1] = 1
    batch = replace(batch, mask=mask)
    moved = ClipAugmentation(**{**STILL, "shift": 0.4, "degrees": 90.0})(batch, draws())
    assert (moved.mask.flatten(1).amax(dim=1) == 1).all()
    stayed = (moved.mask == mask).flatten(1).all(dim=1)
    assert stayed.any() and not stayed.all()
    assert torch.equal(moved.pixel_values[stayed], batch.pixel_values[stayed])


def test_mixed_precision_moves_no_pixel() -> None:
    augment, batch = ClipAugmentation(), tiny_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = augment(batch, draws())
    assert same(mixed, augment(batch, draws()))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("flip", 1.5), ("degrees", -1), ("scale", (1.2, 0.9)), ("hue", 0.6), ("guide_light", 2)],
)
def test_a_value_out_of_range_is_named(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"augmentation\.{setting}: expected .* got"):
        ClipAugmentation(**{setting: value})


def test_a_resumed_run_with_augmentation_ends_where_the_whole_one_did(
    frozen_parts: Path, tmp_path: Path
) -> None:
    def run(folder: Path, resume: Path | None = None) -> dict[str, str]:
        saved = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
        trainer = tiny_trainer(folder, 3, [saved], limit_val_batches=0)
        module = tiny_module(frozen_parts, augmentation=ClipAugmentation(guide_light=0.1))
        torch.rand(3)
        trainer.fit(module, tiny_datamodule(clips=7), ckpt_path=resume, weights_only=True)
        return fingerprint(module)

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "resumed", resume=tmp_path / "whole" / "step=1.ckpt") == whole


def test_an_augmented_window_is_never_remembered_for_a_validation(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts, augmentation=ClipAugmentation())
    batch = tiny_batch()
    before = module.encoder(batch).latents
    changed = module._augmented(batch, draws())
    assert not torch.equal(changed.latents, before)
    assert torch.equal(module.encoder(batch).latents, before)
    with pytest.raises(ValueError, match="leave out encodings=, or take augmentation=none"):
        module._augmented(changed, draws())


@pytest.mark.parametrize("command", ["train", "train_inpainter inpainter=fourier"])
def test_the_groups_of_the_settings(command: str) -> None:
    name, *given = shlex.split(command)
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        none = compose(name, given)
        strong = compose(name, [*given, "augmentation=strong", "augmentation.degrees=5"])
    assert none.augmentation is None
    assert isinstance(instantiate(strong.augmentation, _convert_="all"), ClipAugmentation)
    module = strong.model if name == "train" else strong.module
    assert module.augmentation.degrees == 5 and module.augmentation.flip == 0.5
