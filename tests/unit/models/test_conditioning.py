"""What the U-Net is told about a frame, and in which order."""

from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import build_tiny, tiny_batch

from diffmvr.models.components import Components
from diffmvr.models.conditioning import Conditions, encode_conditions, unet_input
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.vae import encode_latents


def components_for(frozen_parts: Path, pathway: str) -> Components:
    return build_tiny(frozen_parts, GuideSettings(pathway=pathway))


def frames() -> tuple[torch.Tensor, ...]:
    batch = tiny_batch(clips=1)
    return (
        batch.masked_pixel_values[0],
        batch.mask[0],
        batch.guide_pixel_values[0],
        batch.guide_valid[0],
    )


def test_the_input_is_noisy_mask_masked_guides(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "both")
    masked, mask, guides, valid = frames()
    conditions = encode_conditions(parts, masked, mask, guides, valid)
    noisy = torch.randn(4, 4, 8, 8)
    blocks = unet_input(noisy, conditions).split([4, 1, 4, 4, 4], dim=1)
    assert torch.equal(blocks[0], noisy)
    assert torch.equal(blocks[1], torch.nn.functional.max_pool2d(mask, 4))
    assert torch.equal(blocks[2], encode_latents(parts.vae, masked))
    symmetric = encode_latents(parts.vae, guides[:, 0])
    torch.testing.assert_close(blocks[3], symmetric, rtol=1e-4, atol=1e-5)
    assert parts.unet.config.in_channels == 17


def test_a_missing_guide_has_no_latents(frozen_parts: Path) -> None:
    masked, mask, guides, valid = frames()
    assert not valid[0, 1]
    parts = components_for(frozen_parts, "both")
    conditions = encode_conditions(parts, masked, mask, guides, valid)
    assert not conditions.guide_latents[0, 1].any()
    assert conditions.guide_latents[1, 1].any()
    assert torch.equal(conditions.guide_valid, valid)


def test_the_attention_pathway_has_no_guide_latents(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "attention")
    conditions = encode_conditions(parts, *frames())
    assert conditions.guide_latents.shape == (4, 0, 4, 8, 8)
    assert conditions.image_embeds.shape == (2, 4, 5, 32)
    assert conditions.image_embeds.abs().sum() > 0
    assert unet_input(torch.zeros(4, 4, 8, 8), conditions).shape[1] == 9


def test_the_latents_pathway_attends_to_null_embeddings_only(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "latents")
    conditions = encode_conditions(parts, *frames())
    assert not conditions.guide_valid.any() and not conditions.image_embeds.any()


def test_the_reference_is_the_frame_filled_by_the_past_guide(frozen_parts: Path) -> None:
    masked, mask, guides, valid = frames()
    parts = build_tiny(frozen_parts, GuideSettings(pathway="both", residual=True))
    reference = encode_conditions(parts, masked, mask, guides, valid).reference_latents
    filled = masked * (1 - mask) + guides[:, 1] * mask
    assert not valid[0, 1], "no past frame, no filling"
    filled[0] = masked[0]
    torch.testing.assert_close(reference, encode_latents(parts.vae, filled))


@pytest.mark.parametrize(
    "guide",
    [
        GuideSettings(pathway="attention", residual=True),
        GuideSettings(pathway="both", residual=False),
        # Nothing to be relative to.
        GuideSettings(("symmetric", "present"), pathway="both", residual=True),
    ],
)
def test_no_reference_without_residual_latents_of_a_past_guide(
    frozen_parts: Path, guide: GuideSettings
) -> None:
    parts = build_tiny(frozen_parts, guide)
    assert not guide.uses_residual
    assert not encode_conditions(parts, *frames()).reference_latents.any()


def test_cut_and_join(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "both")
    whole = encode_conditions(parts, *frames())
    joined = Conditions.cat([whole[:1], whole[1:]])
    assert len(whole) == len(joined) == 4
    for name in Conditions.__dataclass_fields__:
        assert torch.equal(getattr(whole, name), getattr(joined, name)), name


def test_bad_inputs_are_named(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "both")
    masked, mask, guides, valid = frames()
    with pytest.raises(ValueError, match=r"sides must be multiples of 4, got 30 × 32"):
        encode_conditions(parts, masked[:, :, :30], mask[:, :, :30], guides[:, :, :, :30], valid)
    with pytest.raises(ValueError, match=r"mask: expected shape \(4, 1, 32, 32\), got \(3, "):
        encode_conditions(parts, masked, mask[:3], guides, valid)
    with pytest.raises(ValueError, match=r"guide_pixel_values: .*got \(4, 1, 3, 32, 32\)"):
        encode_conditions(parts, masked, mask, guides[:, :1], valid)
    with pytest.raises(ValueError, match=r"guide_valid .*\(4, 1\)"):
        encode_conditions(parts, masked, mask, guides, valid[:, :1])


def test_a_guide_that_frames_share_goes_through_its_tower_once(frozen_parts: Path) -> None:
    parts = components_for(frozen_parts, "attention")
    masked, mask, guides, valid = frames()
    guides[1:, 1] = guides[1, 1]
    seen: list[int] = []
    hook = parts.image_encoders[0].register_forward_pre_hook(
        lambda _, inputs: seen.append(len(inputs[0]))
    )
    embeds = encode_conditions(parts, masked, mask, guides, valid).image_embeds
    hook.remove()
    assert seen == [4, 2]
    expected = parts.image_encoders[1](guides[:, 1], "patch")
    torch.testing.assert_close(embeds[1], expected)
