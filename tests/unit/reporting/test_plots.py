from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.helpers.study import write_run, write_study, write_sweeps

from diffmvr.reporting.frame_rows import check_frames, load_frames
from diffmvr.reporting.plots import draw_figures, training_curves
from diffmvr.reporting.run_collection import find_runs


def coloured(path: Path) -> int:
    """Number of pixels that are neither white, black nor grey."""
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.ptp(image, axis=-1) > 40).sum())


def test_every_figure_is_drawn(tmp_path: Path) -> None:
    runs = find_runs([write_study(tmp_path / "study", seeds=1)])
    sweeps = find_runs([write_sweeps(tmp_path / "sweeps")])
    drawn = draw_figures(runs, sweeps, {"telea": "Telea"}, tmp_path / "figures")
    assert [path.name for path in drawn] == [
        "error_by_occlusion.png",
        "training_curves.png",
        "trade_off_lambda.png",
        "trade_off_steps.png",
    ]
    for path in drawn:
        assert coloured(path) > 300, path


def test_without_rows_there_is_no_figure(tmp_path: Path) -> None:
    runs = find_runs([write_run(tmp_path / "a", "a", {"a": 1.0}, kind="evaluate").parent])
    assert draw_figures(runs, [], {}, tmp_path / "figures") == []
    assert not (tmp_path / "figures").exists()


def test_a_sweep_of_one_setting_is_not_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "lambda", {"lambda": 1.0}, settings={"loss.motion.weight": 1.0})
    assert draw_figures([], find_runs([run.parent]), {}, tmp_path / "figures") == []


def test_a_run_that_logged_no_loss(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "a", {"a": 1.0})
    pl.DataFrame({"step": [1], "epoch": [0], "lr-Adam": [0.1]}).write_csv(run / "metrics.csv")
    with pytest.raises(ValueError, match=r"curves: expected one of .* got {'lr-Adam'}"):
        training_curves(find_runs([tmp_path]), {}, tmp_path / "curves.png")


def test_frame_rows_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no frames.parquet in .*; evaluate with frames"):
        load_frames(tmp_path)
    with pytest.raises(ValueError, match="frames: expected at least one row"):
        check_frames(pl.DataFrame())
    with pytest.raises(ValueError, match=r"frames: expected the columns .*got {'x'"):
        check_frames(pl.DataFrame({"x": [1]}))
