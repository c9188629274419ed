"""The first loss or gradient that is not finite stops the run, and the message says where."""

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import lightning as L
import pytest
import torch
from tests.helpers.tiny import fingerprint, tiny_batch, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.training.encoding import ClipEncoder, name_frames
from diffmvr.training.finite_guard import FiniteGuard, NonFiniteError, describe_batch


class Spoil(L.Callback):
    """Puts a value that is no number where it is told, before step 2."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.weights: dict[str, str] = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step != 2:
            return
        self.weights = fingerprint(pl_module)
        if self.place == "loss":
            batch.pixel_values.fill_(float("inf"))
        else:
            bias = pl_module.unet.conv_out.bias
            bias.register_hook(lambda gradient: gradient * float("nan"))


@pytest.mark.parametrize(
    ("place", "what"),
    [("loss", r"the loss is nan"), ("gradient", r"the gradient of unet\.conv_out\.bias is not")],
)
def test_it_stops_before_the_weights_change(
    frozen_parts: Path, tmp_path: Path, place: str, what: str
) -> None:
    module, spoil = tiny_module(frozen_parts, cache_encodings=False), Spoil(place)
    trainer = tiny_trainer(tmp_path, 5, [spoil, FiniteGuard()])
    with pytest.raises(NonFiniteError) as stopped:
        trainer.fit(module, datamodule=tiny_datamodule(clips=7, batch_frames=4))
    said = str(stopped.value)
    for pattern in (
        what,
        r"at step 2 \(process 0, learning rate 0\.001; train/loss ",
        r"train/loss_denoising ",
        r"batch: moving-\d frames \d-\d; moving-\d frames \d-\d;",
        "try a smaller learning rate",
    ):
        assert re.search(pattern, said), (pattern, said)
    assert fingerprint(module) == spoil.weights


def test_infinite_gradients_are_the_scalers_business(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    module.unet.conv_out.bias.grad = torch.full_like(module.unet.conv_out.bias, float("inf"))

    class Precision:
        scaler: object | None = object()

    class Trainer:
        precision_plugin = Precision()
        optimizers = ()
        callback_metrics = MappingProxyType({})
        global_step = global_rank = 0

    guard = FiniteGuard()
    guard.on_before_optimizer_step(Trainer(), module, None)
    Precision.scaler = None
    with pytest.raises(NonFiniteError, match=r"conv_out\.bias is not finite at step 0"):
        guard.on_before_optimizer_step(Trainer(), module, None)


def test_a_gradient_too_large_to_square_is_finite(frozen_parts: Path) -> None:
    module = tiny_module(frozen_parts)
    module.unet.conv_out.bias.grad = torch.full_like(module.unet.conv_out.bias, 1e30)

    class Trainer:
        precision_plugin = None

    FiniteGuard().on_before_optimizer_step(Trainer(), module, None)


def test_frames_are_named(frozen_parts: Path) -> None:
    assert name_frames("s1_c0", [8, 9, 10]) == "s1_c0 frames 8-10"
    assert name_frames("s1_c0", [3, 5]) == "s1_c0 frames 3, 5"
    batch = tiny_batch(clips=2, frames=3)
    names = ("moving-0 frames 0-2", "moving-1 frames 0-2")
    assert describe_batch(batch) == "; ".join(names)
    encoded = ClipEncoder(tiny_module(frozen_parts).components)(batch)
    assert describe_batch(encoded) == "a EncodedBatch, which keeps no names"
    named = replace(encoded, names=names)
    assert describe_batch(named.to("cpu").cat([named])) == "; ".join(names)
