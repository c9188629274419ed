import io
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from diffmvr.reporting.figures import save_png
from diffmvr.training.run_logger import begin_logging
from diffmvr.training.tensorboard_logger import RunTensorBoardLogger

pytest.importorskip("tensorboard", reason="the tensorboard extra is not installed")


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0}).Reload()


def test_pictures_clips_tables_and_settings_are_shown(tmp_path: Path) -> None:
    logger = RunTensorBoardLogger(tmp_path)
    begin_logging([logger], {"seed": 7, "model": {"size": "tiny"}}, None)
    frames = np.random.default_rng(0).integers(0, 255, (3, 8, 16, 3), dtype=np.uint8)
    picture = save_png(frames[0], tmp_path / "grid.png")
    logger.show_picture("val/grid", picture, 2)
    logger.show_clip("val/clip", tmp_path / "clip.mp4", frames, 8, 2)
    logger.show_table("test/scores", pl.DataFrame({"restorer": ["telea"], "psnr": [9.54321]}), 2)
    logger.log_metrics({"val/psnr_hole": 20.5}, step=2)
    logger.save()
    found = events(tmp_path)
    assert found.Tags()["scalars"] == ["val/psnr_hole"], "no name that the others lack"
    (grid,), (clip,) = found.Images("val/grid"), found.Images("val/clip")
    shown = np.asarray(Image.open(io.BytesIO(grid.encoded_image_string)))
    assert np.array_equal(shown, frames[0]) and grid.step == clip.step == 2
    moving = Image.open(io.BytesIO(clip.encoded_image_string))
    assert (moving.format, moving.n_frames, moving.size) == ("GIF", 3, (16, 8))
    texts = {tag: found.Tensors(tag)[0].tensor_proto for tag in found.Tags()["tensors"]}
    assert b"| telea | 9.543 |" in texts["test/scores/text_summary"].string_val[0]
    assert b"    model:\n      size: tiny\n" in texts["settings/text_summary"].string_val[0]


def test_a_run_that_goes_on_shows_every_step_once(tmp_path: Path) -> None:
    def part(resumed_at: int | None, values: dict[int, float]) -> list[tuple[int, float]]:
        logger = RunTensorBoardLogger(tmp_path)
        begin_logging([logger], {}, resumed_at)
        for step, value in values.items():
            logger.log_metrics({"loss": value}, step=step)
        logger.save()
        return [(one.step, one.value) for one in events(tmp_path).Scalars("loss")]

    assert part(None, {0: 1.0, 1: 2.0, 2: 3.0}) == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert part(2, {2: 30.0, 3: 40.0}) == [(0, 1.0), (1, 2.0), (2, 30.0), (3, 40.0)]
    assert part(None, {0: 9.0}) == [(0, 9.0)]


def test_the_machine_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ward-seven-pc")
    logger = RunTensorBoardLogger(tmp_path)
    begin_logging([logger], {"seed": 7}, None)
    # What is logged after a training goes to another file.
    logger.finalize("success")
    logger.log_metrics({"test/psnr": 1.0}, step=2)
    logger.save()
    files = list(tmp_path.glob("tensorboard/events.*"))
    assert len(files) == 2
    for file in files:
        assert "ward-seven-pc" not in file.name and b"ward-seven-pc" not in file.read_bytes()
        assert str(tmp_path).encode() not in file.read_bytes()


def test_what_is_not_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.fabric.loggers import tensorboard

    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(tensorboard, name, False)
    assert "tensorboard" in sys.modules
    with pytest.raises(ValueError, match=r"logger: .* got none; pip install 'diffmvr\[tensorboard"):
        RunTensorBoardLogger(tmp_path)
