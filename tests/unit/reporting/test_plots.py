from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.helpers.study import write_run, write_study, write_sweeps

from diffmvr.reporting import trade_offs
from diffmvr.reporting.canvas import new_axes
from diffmvr.reporting.frame_rows import check_frames, frames_frame, load_frames
from diffmvr.reporting.label_placing import spread_labels
from diffmvr.reporting.plots import draw_figures, training_curves
from diffmvr.reporting.run_collection import find_runs
from diffmvr.reporting.sweeps import find_sweeps


def coloured(path: Path) -> int:
    """Number of pixels that are neither white, black nor grey."""
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.ptp(image, axis=-1) > 40).sum())


def test_every_figure_is_drawn(tmp_path: Path) -> None:
    runs = find_runs([write_study(tmp_path / "study", seeds=1)])
    sweeps = list(find_sweeps(find_runs([write_sweeps(tmp_path / "sweeps")])))
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


def test_frame_rows_from_before_expressions_were_scored_are_still_read() -> None:
    new = frames_frame([{"restorer": "telea", "blendshape_error": 0.1}])
    old = check_frames(new.drop("blendshape_error", "blendshape_change"))
    assert old.schema == new.schema and old["blendshape_error"].to_list() == [None]


def test_labels_cover_neither_points_nor_each_other() -> None:
    figure, ((axis,),) = new_axes(1, 1, (5, 4))
    # Three points in one place, two beside them, one in the corner.
    points = [(0.5, 0.5)] * 3 + [(0.51, 0.5), (0.5, 0.52), (1.0, 1.0)]
    axis.scatter(*zip(*points, strict=True))
    axis.set(xlim=(0, 1), ylim=(0, 1))
    for index, point in enumerate(points):
        axis.annotate(f"0.{index}", point, fontsize=8)

    spread_labels(figure, axis)

    assert (axis.get_xlim(), axis.get_ylim()) == ((0, 1), (0, 1))
    boxes = [text.get_window_extent() for text in axis.texts]
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second)
    for box in boxes:
        for place in axis.transData.transform(points):
            assert not box.contains(*place)
        window = axis.get_window_extent()
        assert window.x0 <= box.x0 and box.x1 <= window.x1
        assert window.y0 <= box.y0 and box.y1 <= window.y1


@pytest.mark.parametrize(("lift", "hollow"), [(0.0, 1), (1.0, 0)])
def test_a_tie_with_the_best_is_hollow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lift: float, hollow: int
) -> None:
    for weight, of_weight in ((0.0, 0.0), (0.3, lift), (1.0, -3.0)):
        settings = {"loss.motion.weight": weight}
        write_run(tmp_path / str(weight), "lambda", {"lambda": of_weight}, settings=settings)
    drawn = []
    monkeypatch.setattr(trade_offs, "save_figure", lambda figure, path: drawn.append(figure))
    sweeps = list(find_sweeps(find_runs([tmp_path])))
    trade_offs.trade_offs(sweeps, tmp_path)
    (figure,) = drawn
    markers = [
        collection for collection in figure.axes[0].collections if len(collection.get_offsets())
    ]
    (fills,) = [m.get_facecolor() for m in markers if len(m.get_offsets()) == 3]
    assert int((fills[:, :3] == 1).all(axis=1).sum()) == hollow
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "0.3", "1"]
