"""The worked examples of docs/extending that score: each is one file and one line of settings."""

from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from tests.helpers.recordings import moving_frames, write_video

from diffmvr.config import config_dir, register_resolvers
from diffmvr.evaluate import evaluate

EXAMPLES = Path(__file__).parents[2] / "docs" / "extending"

register_resolvers()


def test_a_data_set_a_restorer_and_a_metric_are_one_file_and_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    videos = tmp_path / "videos"
    videos.mkdir()
    for number, person in enumerate(("anna", "ben", "cleo")):
        write_video(videos / f"{person}_1.mp4", moving_frames(12, 64, 64, seed=number))
    own = [
        "~data.source",
        f"+data.source={{_target_: my_data.FaceVideos, folder: {videos}}}",
        "+baselines.mean_colour._target_=my_restorers.MeanColour",
        "+scoring.scorers.brightness={_target_: my_metrics.score_brightness, _partial_: true}",
    ]
    plain = ["restorers=[telea,mean_colour]", "reference=telea", "~scoring.scorers.expression"]
    plain += ["scoring.distances=null", "data.fractions=[0,0,1]", f"paths.output={tmp_path}"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        evaluate(compose("evaluate", [*own, *plain]))
    rows = pl.read_parquet(tmp_path / "scores.parquet")
    assert set(rows["clip_id"]) == {"anna_1", "ben_1", "cleo_1"}
    assert set(rows["restorer"]) == {"telea", "mean_colour"}
    assert rows["brightness_error"].is_not_null().all()
    assert "| brightness_error ↓ |" in (tmp_path / "table.md").read_text(encoding="utf-8")
