"""The benchmarks: that they run, what they write, and that what they compare is comparable."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks import restoring, sampling, training
from benchmarks.models import build_case
from benchmarks.plain_diffusers import PlainInpainting, ip_adapter_unet
from benchmarks.run import SUITES, main
from benchmarks.timing import PeakMemory, StageClock, interleave, spread
from tests.helpers.tiny import build_tiny, random_guides, tiny_clip

from diffmvr.models.components import build_stable_diffusion
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.structures import to_pixel_values

CPU = torch.device("cpu")


def check_spread(values: dict[str, Any]) -> None:
    assert 0 <= values["lower_quartile"] <= values["median"] <= values["upper_quartile"]
    assert values["repeats"] >= 1


def test_everything_is_measured_and_written(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    main(["--quick", "--device", "cpu", "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["command"] == "python -m benchmarks.run --quick --device cpu"
    assert {"processor", "cores", "threads", "system"} <= report["machine"].keys()
    assert {"torch", "diffusers"} <= report["versions"].keys()
    results = report["results"]
    assert set(results) == {run.__name__ for runs in SUITES.values() for run in runs}

    tables = path.with_suffix(".md").read_text()
    assert all(f"## {suite.capitalize()}" in tables for suite in results)
    assert "sampling, sd15: not measured (no GPU;" in tables

    for suite in ("sampling", "training", "loading"):
        (skipped,) = [row for row in results[suite] if row["size"] == "sd15"]
        assert skipped["not_measured"].startswith("no GPU; python -m benchmarks.run")
    for suite, stages in (("sampling", sampling.STAGES), ("training", training.STAGES)):
        rows = [row for row in results[suite] if row["size"] == "tiny"]
        assert rows and all(set(row["stages"]) == set(stages) for row in rows), suite
        for row in rows:
            for values in (row["seconds"], row["cpu_seconds"], *row["stages"].values()):
                check_spread(values)
            assert row["peak_memory_mib"] > 0
    assert {row["pathway"] for row in results["sampling"] if "pathway" in row} == {
        "attention",
        "both",
    }
    assert {"symmetric", "past (none)", "past (layers)"} <= {
        row["guide"] for row in results["guides"]
    }
    forms = [row["form"] for row in results["loading"] if "form" in row]
    assert forms[0] == "raw decode" and "cache of encodings" in forms and len(forms) == 6
    (preprocessed,) = results["preprocessing"]
    assert "everything" in preprocessed["ms_per_frame"]
    one, several = results["restoring"]
    assert set(one["stages"]) == set(restoring.STAGES) and "stages" not in several
    assert all(one["stages"][stage]["median"] > 0 for stage in restoring.STAGES if stage != "rest")
    assert one["frames_per_second_without_start"]["median"] > 0
    assert [(row["kept"], row["carried"]) for row in results["references"]] == [(8, 6), (16, 3)]
    assert all(row["peak_memory_mib"] > 0 and row["stages"] for row in results["references"])
    for row in results["comparison"]:
        assert row["largest_difference"] <= 1e-4
        assert row["hidden_frames"] <= row["frames"]
        assert all(ratio > 0 for ratio in row["ratios"].values())
    (lived,) = results["live"]
    assert lived["captured"] == lived["shown"] + lived["dropped"] > 0
    assert lived["memory"] and all(one["mib"] > 50 for one in lived["memory"])
    started = {row["call"]: row for row in results["startup"]}
    assert {"--help", "first frame", "first restored", "import torch"} <= started.keys()
    for row in started.values():
        check_spread(row["seconds"])
        check_spread(row["cpu_seconds"])


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "guide",
    [
        GuideSettings(),
        GuideSettings(scales=(0.2, 0.9), tokens="pooled"),
        GuideSettings(pathway="both", residual=True),
    ],
    ids=["the paper", "pooled", "the product"],
)
def test_the_plain_loop_restores_the_same_clip(
    frozen_parts: Path, guide: GuideSettings, steps: int
) -> None:
    components = build_tiny(frozen_parts, guide)
    torch.manual_seed(5)
    for _, processor in guide_processors(components.unet):
        for layer in (*processor.to_k.values(), *processor.to_v.values()):
            torch.nn.init.normal_(layer.weight)
    clip = tiny_clip(frames=5)
    guides = random_guides(clip)
    plain = torch.cat(PlainInpainting(components, steps).restore_frames(clip, guides))
    pipeline = DiffMVRPipeline.from_components(components)
    pipeline.set_progress_bar_config(disable=True)
    ours = pipeline(
        to_pixel_values(clip.observed),
        torch.from_numpy(clip.mask[:, None]).float(),
        to_pixel_values(guides.images),
        torch.from_numpy(guides.valid),
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(0),
    ).pixel_values
    torch.testing.assert_close(plain / 2, ours / 2, rtol=0, atol=1e-4)
    assert (ours - to_pixel_values(clip.observed)).abs().max() > 0.1


def test_only_fixed_fusion_has_an_equal_in_diffusers(frozen_parts: Path) -> None:
    components = build_tiny(frozen_parts, GuideSettings(fusion="gated"))
    with pytest.raises(ValueError, match="fixed scales only, got 'gated'"):
        ip_adapter_unet(components)


def test_full_size_is_stable_diffusion() -> None:
    components = build_stable_diffusion(GuideSettings(), "meta")
    parameters = {
        name: sum(p.numel() for p in part.parameters()) / 1e6
        for name, part in (("vae", components.vae), ("unet", components.unet))
    }
    assert parameters["vae"] == pytest.approx(83.65, abs=0.01)
    # 859.5 with one key/value source in every layer.
    assert parameters["unet"] == pytest.approx(859.5 + 19.2, abs=0.1)
    assert components.projector.config.num_tokens == 257


def test_a_case_runs_in_half_precision() -> None:
    case = build_case("tiny", CPU, dtype=torch.bfloat16, channels_last=True)
    row = sampling.sampling(case, batch=1, steps=1, repeats=1, warmup=0)
    assert row["precision"] == "bfloat16"
    case = build_case("tiny", CPU, autocast=torch.bfloat16)
    row = training.training(case, 2, repeats=1, warmup=0, checkpointed=True)
    assert row["precision"] == "autocast bfloat16" and row["gradient_checkpointing"]


def test_functions_take_turns() -> None:
    order: list[str] = []
    timings = interleave({n: lambda n=n: order.append(n) for n in "ab"}, 3, 1, CPU)
    assert order == list("ab" * 4)
    assert timings.keys() == {"a", "b"} and timings["a"]["seconds"]["repeats"] == 3


def test_the_spread_is_that_of_the_values() -> None:
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == {
        "median": 3.0,
        "lower_quartile": 2.0,
        "upper_quartile": 4.0,
        "repeats": 5,
    }


def test_a_stage_clock_comes_off_again() -> None:
    layer = torch.nn.Linear(2, 2)
    clock = StageClock(CPU)
    clock.add("layer", layer)
    for _ in range(2):
        with clock.running():
            layer(torch.zeros(1, 2))
        assert clock.calls == {"layer": 1} and clock.spent["layer"] > 0
    assert "forward" not in vars(layer)


def test_memory_is_of_the_block() -> None:
    with PeakMemory(CPU) as before:
        pass
    with PeakMemory(CPU) as large:
        torch.ones(2**26)
    with PeakMemory(CPU) as after:
        pass
    assert large.mib > max(before.mib, after.mib) + 200
