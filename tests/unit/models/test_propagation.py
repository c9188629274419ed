"""What is carried through time, how old it is, and where it is moved to."""

import pytest
import torch

from diffmvr.models.propagation import NEVER, REACH, carry, matches, surroundings, warp


def test_each_place_keeps_what_was_last_seen_of_it() -> None:
    pixels = torch.arange(1.0, 6.0).view(1, 5, 1, 1, 1).expand(1, 5, 3, 1, 3).clone()
    mask = torch.zeros(1, 5, 1, 1, 3)
    mask[0, 2:4, 0, 0, 1] = 1  # hidden in the middle
    mask[0, :, 0, 0, 2] = 1  # never seen
    misled = torch.where(mask == 1, 99.0, pixels)
    before, age = carry(misled, mask)
    assert before[0, :, 0, 0].T.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 2, 2], [0, 0, 0, 0, 0]]
    assert age[0, :, 0, 0].T.tolist() == [[NEVER, 1, 1, 1, 1], [NEVER, 1, 1, 2, 3], [NEVER] * 5]
    after, age = carry(misled, mask, backward=True)
    assert after[0, :, 2, 0].T.tolist() == [[2, 3, 4, 5, 0], [2, 5, 5, 5, 0], [0, 0, 0, 0, 0]]
    assert age[0, :, 0, 0, 1].tolist() == [1, 3, 2, 1, NEVER]


def test_the_surroundings_are_a_mean_of_what_is_known_and_the_nearest_count_most() -> None:
    images, known = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    assert (surroundings(images, known) == 0).all()
    known[..., 0], known[..., -1] = 1, 1
    images[..., 0], images[..., -1] = 0.2, 0.8
    images[..., 5] = 99.0  # not known
    around = surroundings(images, known)
    assert around.min() >= 0.2 and around.max() <= 0.8
    assert around[..., 2].max() < 0.35 and around[..., -3].min() > 0.65
    torch.testing.assert_close(around.flip(-1), 1 - around)


def test_a_warped_image_is_the_image_at_p_plus_flow() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 6, 9)
    flow = torch.zeros(2, 2, 6, 9)
    torch.testing.assert_close(warp(image, flow), image)
    flow[0, 0], flow[0, 1], flow[1, 0] = 2.0, -1.0, 0.5
    moved = warp(image, flow)
    torch.testing.assert_close(moved[0, :, 1:, :-2], image[0, :, :-1, 2:])
    between = (image[1, :, :, :-1] + image[1, :, :, 1:]) / 2
    torch.testing.assert_close(moved[1, :, :, :-1], between)
    torch.testing.assert_close(moved[1, :, :, -1], image[1, :, :, -1])


@pytest.mark.parametrize("shift", [-1.3, 0.6])
def test_the_flow_is_learned_from_what_is_seen(shift: float) -> None:
    columns = torch.arange(16.0).expand(1, 3, 16, 16)
    image, target = torch.sin(columns / 3), torch.sin((columns + shift) / 3)
    flow = torch.zeros(1, 2, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([flow], lr=0.1)
    for _ in range(60):
        drawn = warp(image, flow.expand(1, 2, 16, 16))[..., 3:-3]
        loss = (drawn - target[..., 3:-3]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert flow[0, 0].item() == pytest.approx(shift, abs=0.1)


def test_a_match_is_where_the_image_has_moved_to() -> None:
    torch.manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.rand(1, 3, 20, 20), scale_factor=4)
    image, seen = coarse[..., 8:72, 8:72], coarse[..., 8 + 2 : 72 + 2, 8 - 4 : 72 - 4]
    visible = torch.ones(1, 1, 64, 64)
    visible[..., :40, :40] = 0
    found = matches(torch.where(visible == 1, seen, 9.0), visible, image)
    side = 2 * REACH + 1
    assert found.shape == (1, side**2, 16, 16)
    # 2 pixels down and 4 to the left are 1 and 2 of the half-size picture.
    best = found[0].argmax(dim=0)
    assert (best[11:14, 11:14] == (REACH + 1) * side + REACH - 2).all()
    assert found[0, :, 13, 13].sum().item() == pytest.approx(1, abs=1e-5)
    assert (found[0, :, :7, :7] == 0).all()
