"""Training of the network that reads faces."""

from functools import partial

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.helpers.tiny import smooth_images

from diffmvr.config import config_dir
from diffmvr.data.expression_frames import ExpressionFrame
from diffmvr.data.synthetic import EXPRESSION_NAMES, STATES, render_clip
from diffmvr.models.expression_network import ExpressionNetwork
from diffmvr.pretrain import score_expression
from diffmvr.training.expression import ExpressionModule, jittered

ADAM = partial(torch.optim.AdamW, lr=1e-2)
NAMES, RANGES, STATE_NAMES = ("smile", "brow"), ((0, 1), (-1, 1)), ("rest", "pain")


def module(**settings: object) -> ExpressionModule:
    torch.manual_seed(0)
    network = ExpressionNetwork(
        NAMES, RANGES, STATE_NAMES, frame_size=32, face_size=16, channels=(4, 8), hidden=8
    )
    made = ExpressionModule(network, ADAM, max_steps=100, **settings)
    made.log = lambda *_args, **_kwargs: None
    return made


def batch(count: int = 6) -> ExpressionFrame:
    similarity = torch.tensor([[7.0, 0.0, 15.0], [0.0, 7.0, 13.0]]).repeat(count, 1, 1)
    truth = torch.rand(count, 2, generator=torch.Generator().manual_seed(0))
    return ExpressionFrame(smooth_images(count), similarity, truth, torch.arange(count) % 2)


def test_it_learns() -> None:
    made = module(jitter=0.0)
    optimizer = made.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-2  # the schedule's warm-up starts at 0
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        loss = made.training_step(batch(), step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_the_loss_is_its_formula() -> None:
    made = module(jitter=0.0, expression_weight=3.0)
    made.network.eval()
    data = batch()
    reading = made.network(data.pixel_values, data.similarity)
    shares = (reading.expression - data.expression) / torch.tensor([1.0, 2.0])
    odds = reading.state_logits.log_softmax(dim=1)
    entropy = -odds[torch.arange(6), data.state].mean()
    expected = 3 * shares.square().mean() + entropy
    torch.testing.assert_close(made.training_step(data, 0), expected)


def test_jitter_moves_turns_and_zooms_a_little() -> None:
    torch.manual_seed(0)
    similarity = torch.tensor([[7.0, 0.0, 15.0], [0.0, 7.0, 13.0]]).repeat(4000, 1, 1)
    moved = jittered(similarity, 0.05)
    # In canonical face coordinates again: the identity, jittered.
    own = moved / 7
    shift = own[:, :, 2] - similarity[:, :, 2] / 7
    zoom = torch.linalg.det(own[:, :, :2]).sqrt().log()
    turn = torch.atan2(own[:, 1, 0], own[:, 0, 0])
    for value in (shift[:, 0], shift[:, 1], zoom, turn):
        assert abs(value.mean()) < 0.003 and abs(value.std() - 0.05) < 0.003
    # Still a similarity: rotation and one scale.
    torch.testing.assert_close(own[:, 0, 0], own[:, 1, 1])
    torch.testing.assert_close(own[:, 0, 1], -own[:, 1, 0])
    torch.testing.assert_close(jittered(similarity, 0.0), similarity)


def test_the_score_is_against_the_renderers_truth() -> None:
    made = module()
    made.network.eval()
    data = batch()
    frames = [ExpressionFrame(*(field[i] for field in data)) for i in range(6)]

    class Frames(list):
        expression, state = data.expression, torch.tensor([0, 0, 0, 0, 1, 1])

    scores = score_expression(made, Frames(frames))
    with torch.no_grad():
        reading = made.network(data.pixel_values, data.similarity)
    read, truth = reading.expression.numpy(), data.expression.numpy()
    for i, (name, span) in enumerate((("smile", 1), ("brow", 2))):
        error = np.abs(read[:, i] - truth[:, i]).mean() / span
        np.testing.assert_allclose(scores[f"{name}: MAE / range"], error, rtol=1e-5)
        left = ((read[:, i] - truth[:, i]) ** 2).sum()
        total = ((truth[:, i] - truth[:, i].mean()) ** 2).sum()
        np.testing.assert_allclose(scores[f"{name}: R²"], 1 - left / total, rtol=1e-4)
    said = reading.state_logits.argmax(dim=1)
    right = (said == Frames.state).float().mean()
    assert scores["state: accuracy"] == right.item()
    np.testing.assert_allclose(scores["state: accuracy of the commonest"], 4 / 6, rtol=1e-6)


def test_the_stage_reads_what_the_renderer_draws() -> None:
    """Names, order, ranges and states of the configuration are the renderer's."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("pretrain", ["stage=expression", "output=nowhere"])
    network = instantiate(cfg.stage.module, _convert_="all").network
    assert network.expression_names == EXPRESSION_NAMES and network.states == STATES
    clips = [render_clip(3, subject, 0, num_frames=8).expression for subject in range(12)]
    values = np.concatenate(clips)
    low, high = np.array(network.config.ranges).T
    assert (values >= low).all() and (values <= high).all()
    # No range is wider than what is drawn: a signed one has values on both sides of 0.
    assert ((values.min(axis=0) < 0) == (low < 0)).all()
