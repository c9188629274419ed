"""An exported model runs elsewhere: another process, another folder, no diffmvr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.tiny import build_tiny, tiny_batch
from torch import Tensor

from diffmvr.export import ExportSettings, export
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.run_record import RunRecord, save_run_record
from diffmvr.training.model_card import write_model_card

# The three lines of the card, in a process that cannot import diffmvr.
ELSEWHERE = """
import json, sys, time
sys.modules["diffmvr"] = None
import torch
from safetensors.torch import load_file, save_file
given = load_file("given.safetensors")
given["guide_valid"] = given["guide_valid"].bool()
results = {}
for name in sys.argv[1:]:
    from diffusers import DiffusionPipeline
    pipeline = DiffusionPipeline.from_pretrained(name, trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(5)
    results[name] = pipeline(**given, num_inference_steps=3, generator=noise).pixel_values
    if name == sys.argv[1]:
        pipeline.save_pretrained("again")
save_file(results, "results.safetensors")
"""


def frames() -> dict[str, Tensor]:
    batch = tiny_batch()
    return {
        "pixel_values": batch.observed_pixel_values.flatten(0, 1).contiguous(),
        "mask": batch.mask.flatten(0, 1).contiguous(),
        "guide_pixel_values": batch.guide_pixel_values.flatten(0, 1).contiguous(),
        "guide_valid": batch.guide_valid.flatten(0, 1).contiguous(),
    }


@pytest.fixture(scope="module")
def run(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run whose model has two towers and learned fusion."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    guide = GuideSettings(pathway="both", fusion="gated", residual=True)
    components = build_tiny(frozen_parts, guide)
    torch.manual_seed(4)
    for _, processor in guide_processors(components.unet):
        for parameter in processor.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    other = GuideEncoder(32, 16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16).eval()
    components.image_encoders = (components.image_encoders[0], other)
    DiffMVRPipeline.from_components(components).save_pretrained(folder / "model")
    facts = {"seed": 3, "data": "/home/someone/ward/store"}
    write_model_card(folder / "model", "DiffMVR", facts, {})
    command = "python -m diffmvr.train data=clips data.root=/home/someone/ward/store"
    save_run_record(RunRecord("train", "dual", 3, "bbox", command=command, steps=7), folder)
    (folder / "table.md").write_text("| Restorer | PSNR |\n|---|---|\n| dual | 25 |\n")
    return folder


def test_it_loads_in_three_lines_elsewhere_and_gives_the_same_pixels(
    run: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    whole = export(ExportSettings(str(run), str(elsewhere / "whole")))
    half = export(ExportSettings(str(run / "model"), str(elsewhere / "half"), dtype="float16"))
    given = frames()
    save_file(
        {**given, "guide_valid": given["guide_valid"].byte()}, elsewhere / "given.safetensors"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "code")}
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "whole", "half"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert result.returncode == 0, result.stderr
    assert "not used when initializing" not in result.stderr
    assert "newly initialized" not in result.stderr

    pipeline = DiffMVRPipeline.from_pretrained(run / "model")
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(5)
    expected = pipeline(**given, num_inference_steps=3, generator=noise).pixel_values
    got = load_file(elsewhere / "results.safetensors")
    # Bit for bit where both processes have the same number of threads; this one may have another.
    torch.testing.assert_close(got["whole"], expected, rtol=0, atol=1e-5)
    visible = (given["mask"] == 0).expand_as(expected)
    assert torch.equal(got["half"][visible], given["pixel_values"][visible])
    torch.testing.assert_close(got["half"], expected, rtol=0, atol=2e-2)

    sizes = [
        sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
        for folder in (whole, half)
    ]
    assert 0.45 < sizes[1] / sizes[0] < 0.6
    # What diffusers saves of it again is loaded by diffmvr itself.
    again = DiffMVRPipeline.from_pretrained(elsewhere / "again")
    own = DiffMVRPipeline.from_pretrained(whole)
    for key, value in pipeline.unet.state_dict().items():
        assert torch.equal(again.unet.state_dict()[key], value)
        assert torch.equal(own.unet.state_dict()[key], value)


def test_the_card_says_what_it_is_and_what_it_is_not(run: Path, tmp_path: Path) -> None:
    card = (export(ExportSettings(str(run), str(tmp_path / "out"))) / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\nlibrary_name: diffusers\n---\n")
    for told in (
        "not a medical device",
        'from_pretrained("out", trust_remote_code=True)',
        "32 × 32 pixels",
        "symmetric, past",
        "**seed**: 3",
        "data.root=…/store`",
        "| dual | 25 |",
    ):
        assert told in card, told
    assert "/home" not in card and "ward" not in card
    other = ExportSettings(str(run), str(tmp_path / "two"), licence="other", title="Ward 7")
    assert "license: other" in (export(other) / "README.md").read_text()


def test_what_is_there_is_kept_unless_asked(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"output: .*out is not empty"):
        export(ExportSettings(str(run), str(output)))
    with pytest.raises(FileNotFoundError, match="no model folder at"):
        export(ExportSettings(str(tmp_path / "none"), str(output), overwrite=True))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (output / "mine.txt").read_text() == "mine"
    export(ExportSettings(str(run), str(output), overwrite=True))
    assert not (output / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    index = json.loads((output / "model_index.json").read_text())
    assert index["_class_name"] == ["diffmvr_pipeline", "DiffMVRPipeline"]
    assert not list(output.rglob("*.bin"))


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_model_leaves_nothing_behind(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "empty").mkdir()
    for output in ("new/out", "empty"):
        where = str(tmp_path / output)
        with pytest.raises(FileNotFoundError, match=r"no autoencoder in .*none"):
            export(ExportSettings(str(tmp_path / "none"), where, overwrite=overwrite))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "none"]
