"""The range test of the learning rate."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from lightning.pytorch.tuner import lr_finder
from tests.helpers.tiny import fingerprint, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.training.learning_rate import PICTURE, REPORT, find_learning_rate


def test_a_rate_is_suggested_and_nothing_trained_or_drawn(
    frozen_parts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "diffmvr")
    # A line is said on a quick machine, too.
    monkeypatch.setattr("diffmvr.progress.LINE_SECONDS", 0.05)
    theirs = lr_finder.tqdm
    module = tiny_module(frozen_parts)
    before = fingerprint(module)
    found = find_learning_rate(
        tiny_trainer(tmp_path, 1000),
        module,
        tiny_datamodule(),
        tmp_path,
        min_lr=1e-6,
        max_lr=1.0,
        num_training=30,
    )
    assert fingerprint(module) == before
    report = json.loads((tmp_path / REPORT).read_text())
    assert report["suggestion"] == found and 1e-6 < found < 1.0
    rates = report["learning_rates"]
    assert len(rates) == len(report["smoothed_losses"]) > 12
    np.testing.assert_allclose(np.diff(np.log(rates[1:])), np.log(rates[2] / rates[1]), rtol=1e-3)
    picture = cv2.imread(str(tmp_path / PICTURE))
    assert picture is not None and picture.std() > 1
    assert {path.name for path in tmp_path.iterdir()} == {REPORT, PICTURE}
    assert "Finding best" not in capsys.readouterr().err and lr_finder.tqdm is theirs
    assert "trying learning rates: " in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_lr": 1.0, "max_lr": 0.1}, "0 < min_lr < max_lr, got 1 and 0.1"),
        ({"num_training": 5}, "num_training: expected at least 20 .* got 5"),
    ],
)
def test_what_is_no_range_is_named(
    frozen_parts: Path, tmp_path: Path, settings: dict, message: str
) -> None:
    trainer, module = tiny_trainer(tmp_path, 1), tiny_module(frozen_parts)
    with pytest.raises(ValueError, match=message):
        find_learning_rate(trainer, module, tiny_datamodule(), tmp_path, **settings)
