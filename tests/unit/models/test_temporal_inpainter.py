"""Attention between patches of all frames: its arithmetic, what it may see, and what it ignores."""

import pytest
import torch
from torch import Tensor, nn

from diffmvr.models.temporal_inpainter import (
    PatchAttention,
    TemporalInpainter,
    _from_patches,
    _to_patches,
    place_and_time,
)


@pytest.fixture(scope="module")
def network() -> TemporalInpainter:
    torch.manual_seed(0)
    network = TemporalInpainter(width=24, blocks=2, patch_sizes=(1, 2)).eval()
    # Else it shows what was propagated and nothing of its own.
    nn.init.normal_(network.decoder[-2].weight, std=0.1)
    return network


def clip(frames: int = 3, side: int = 32, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(1, frames, 1, side, side)
    mask[:, 0, :, 8:24, 8:24] = 1
    return torch.rand(1, frames, 3, side, side, generator=generator) * 2 - 1, mask


def plain_attention(width: int, side: int) -> PatchAttention:
    """One head whose result is what it has found, without the last convolution."""
    torch.manual_seed(2)
    attention = PatchAttention(width, (side,))
    attention.to_out = nn.Identity()
    return attention


@pytest.mark.parametrize("side", [1, 2, 4])
def test_patches_hold_their_pixels_and_come_back(side: int) -> None:
    x = torch.arange(4 * 3 * 8 * 8).float().view(4, 3, 8, 8)
    patches = _to_patches(x, side, frames=2)
    assert patches.shape == (2, 2 * (8 // side) ** 2, 3 * side**2)
    # The last patch of the first clip is the lower right corner of its second frame.
    assert set(patches[0, -1].tolist()) == set(x[1, :, 8 - side :, 8 - side :].flatten().tolist())
    assert torch.equal(_from_patches(patches, side, x.shape), x)


def test_attention_is_softmax_over_the_patches_of_all_frames() -> None:
    attention = plain_attention(width=4, side=1)
    x, position = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    hidden = torch.zeros(2, 1, 3, 3)
    hidden[0, 0, 1, 1] = 1
    got = attention(x, position, hidden, frames=2)

    def tokens(convolution: nn.Conv2d, values: Tensor) -> Tensor:
        return convolution(values).permute(0, 2, 3, 1).reshape(18, 4).double()

    scores = tokens(attention.to_q, x + position) @ tokens(attention.to_k, x + position).T / 2
    scores[:, 4] = -torch.inf
    expected = scores.softmax(dim=1) @ tokens(attention.to_v, x)
    torch.testing.assert_close(
        got.permute(0, 2, 3, 1).reshape(18, 4), expected.float(), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("side", [1, 2])
def test_hidden_patches_are_not_looked_at(side: int) -> None:
    attention = plain_attention(width=4, side=side)
    x, hidden = torch.randn(2, 4, 4, 4), torch.zeros(2, 1, 4, 4)
    hidden[1, :, :2, :2] = 1
    zero = torch.zeros(2, 4, 4, 4)
    before = attention(x, zero, hidden, frames=2)
    misled = x.clone()
    misled[1, :, :2, :2] = 7.0
    after = attention(misled, zero, hidden, frames=2)
    # Their own queries have changed; nobody else has seen it.
    seen = hidden.expand_as(x) == 0
    torch.testing.assert_close(after[seen], before[seen])
    whole = attention(x, zero, torch.ones_like(hidden), frames=2)
    assert whole.isfinite().all(), "a clip with everything hidden stays defined"


def test_untrained_it_shows_the_nearest_frame() -> None:
    untrained = TemporalInpainter(width=12, blocks=1, patch_sizes=(1, 2))
    pixels, mask = clip(frames=4)
    mask[:, 1] = mask[:, 0]
    drawn = untrained(pixels, mask)
    hole = (slice(None), slice(10, 22), slice(10, 22))
    # Frame 0 has only later ones, frame 1 an earlier one that hides the same.
    nearest = pixels[0, 2][hole]
    assert (drawn[0, 1][hole] - nearest).abs().mean() < 0.05
    assert (drawn[0, 0][hole] - nearest).abs().mean() < 0.05
    # Between two that show it, both count.
    both = (pixels[0, 1] + pixels[0, 3]) / 2
    assert (drawn[0, 2, :, :4] - both[:, :4]).abs().mean() < 0.05


def test_a_hole_is_filled_from_other_frames_and_not_from_what_is_in_it(
    network: TemporalInpainter,
) -> None:
    pixels, mask = clip()
    drawn = network(pixels, mask)
    assert drawn.shape == pixels.shape
    in_the_hole = torch.where(mask == 1, torch.rand_like(pixels), pixels)
    torch.testing.assert_close(network(in_the_hole, mask), drawn)
    elsewhere = pixels.clone()
    elsewhere[:, 2] = torch.rand(3, 32, 32)
    change = (network(elsewhere, mask) - drawn)[:, 0, :, 12:20, 12:20]
    assert change.abs().max() > 1e-4


def test_clips_of_a_batch_do_not_meet(network: TemporalInpainter) -> None:
    (a, mask_a), (b, mask_b) = clip(seed=1), clip(seed=2)
    together = network(torch.cat([a, b]), torch.cat([mask_a, mask_b]))
    torch.testing.assert_close(together[:1], network(a, mask_a), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together[1:], network(b, mask_b), atol=1e-5, rtol=1e-4)


def test_any_number_of_frames(network: TemporalInpainter) -> None:
    for frames in (1, 5):
        assert network(*clip(frames=frames)).shape == (1, frames, 3, 32, 32)


def test_every_place_and_frame_has_a_code_of_its_own() -> None:
    codes = place_and_time(16, 24, 16, 12)
    assert codes.shape == (16, 24, 16, 12)
    flat = codes.permute(0, 2, 3, 1).reshape(-1, 24)
    assert torch.unique(flat, dim=0).shape == flat.shape
    # Near places have near codes.
    step = (codes[:, :, 1:] - codes[:, :, :-1]).norm(dim=1).mean()
    leap = (codes[:, :, 8:] - codes[:, :, :-8]).norm(dim=1).mean()
    assert step < 0.7 * leap


def test_wrong_sizes_are_named(network: TemporalInpainter) -> None:
    with pytest.raises(ValueError, match=r"width: expected a multiple of 12 .* 2 heads .*, got 20"):
        TemporalInpainter(width=20, patch_sizes=(1, 2))
    assert network.multiple == 8
    with pytest.raises(ValueError, match="multiples of 8, got 36 × 36"):
        network(*clip(side=36))
