"""The worked examples of docs/extending: each one file and one line of settings."""

import sys
from pathlib import Path

import polars as pl
import pytest
from tests.integration.test_debug import SMALL, composed

from diffmvr import own_code
from diffmvr.export import ExportSettings, export
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.train import train

EXAMPLES = Path(__file__).parents[2] / "docs" / "extending"
MODULES = ("my_fusion", "my_guides", "my_losses", "my_unets")


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(own_code, "_named", set())


def forget() -> None:
    """Be a process that has imported none of the examples."""
    own_code._named.clear()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("examples")
def test_a_fusion_a_guide_a_loss_and_a_backbone_are_one_file_and_one_line_each(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [
        "guide.fusion=my_fusion:Sharp",
        "guide.kinds=[symmetric,past,my_guides:surroundings]",
        "guide.scales=[0.4,0.4,0.2]",
        "+loss.extra.gradients._target_=my_losses.Gradients",
        "model=tiny_scratch",
        "model.components.unet.backbone=my_unets:Skipped",
    ]
    run = tmp_path / "run"
    train(composed(weights, run, "debug=fast", *SMALL, *own))
    metrics = pl.read_csv(run / "metrics.csv", infer_schema_length=None)
    for name in ("train/loss_gradients", "val/loss_gradients"):
        assert (metrics[name].drop_nulls() > 0).all() and metrics[name].drop_nulls().len() > 0
    assert {name.rpartition("/")[2] for name in metrics.columns if name.startswith("alpha/")} == {
        "symmetric",
        "past",
        "my_guides:surroundings",
    }
    forget()

    # A model's files name code; they run it only if the user lets them.
    with pytest.raises(ValueError, match=r"my_fusion:Sharp'.*DIFFMVR_PLUGINS=my_fusion"):
        DiffMVRPipeline.from_pretrained(run / "model")
    assert "my_fusion" not in sys.modules
    monkeypatch.setenv("DIFFMVR_PLUGINS", ",".join(MODULES))
    pipeline = DiffMVRPipeline.from_pretrained(run / "model")
    assert type(pipeline.unet).__name__ == "Skipped"
    assert pipeline.guide_kinds[2] == "my_guides:surroundings"
    with pytest.raises(ValueError, match=r"my_fusion:Sharp.*exported file would lack"):
        export(ExportSettings(str(run), str(tmp_path / "exported")))
    assert not (tmp_path / "exported").exists()
    forget()
