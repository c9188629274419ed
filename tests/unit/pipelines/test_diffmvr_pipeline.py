"""Sampling: what may change, what must not, and what can be swapped."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tests.helpers.tiny import SIDE, build_tiny, fingerprint, tiny_batch
from torch import Tensor

from diffmvr.models.conditioning import encode_conditions
from diffmvr.models.dual_guide_attention import guide_processors, remember_keys_values
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.models.sampler import choose_sampler
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline


def quiet(pipeline: DiffMVRPipeline) -> DiffMVRPipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def built(frozen_parts: Path) -> DiffMVRPipeline:
    """A random model of which every part matters, both pathways included."""
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    torch.manual_seed(11)
    for _, processor in guide_processors(components.unet):
        for parameter in processor.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return quiet(DiffMVRPipeline.from_components(components))


def residual_pipeline(frozen_parts: Path) -> DiffMVRPipeline:
    """A random model that predicts the difference from the past guide."""
    components = build_tiny(frozen_parts, GuideSettings(pathway="both", residual=True))
    return quiet(DiffMVRPipeline.from_components(components))


@pytest.fixture
def pipeline(built: DiffMVRPipeline) -> DiffMVRPipeline:
    scheduler = built.scheduler
    yield built
    built.scheduler = scheduler


def frames(clips: int = 1) -> dict[str, Tensor]:
    batch = tiny_batch(clips=clips)
    return {
        "pixel_values": batch.observed_pixel_values.flatten(0, 1),
        "mask": batch.mask.flatten(0, 1),
        "guide_pixel_values": batch.guide_pixel_values.flatten(0, 1),
        "guide_valid": batch.guide_valid.flatten(0, 1),
    }


def restore(pipeline: DiffMVRPipeline, seed: int = 0, **changes: Any) -> Tensor:
    arguments = {**frames(), "num_inference_steps": 2, **changes}
    arguments.setdefault("generator", torch.Generator().manual_seed(seed))
    return pipeline(**arguments).pixel_values


def test_visible_pixels_are_the_inputs_bit_for_bit(pipeline: DiffMVRPipeline) -> None:
    given = frames()
    before = {name: value.clone() for name, value in given.items()}
    restored = restore(pipeline, **given)
    visible = (given["mask"] == 0).expand_as(restored)
    assert torch.equal(restored[visible], given["pixel_values"][visible])
    assert not torch.equal(restored[~visible], given["pixel_values"][~visible])
    assert restored.min() >= -1 and restored.max() <= 1
    assert all(torch.equal(given[name], before[name]) for name in given), "inputs are not changed"
    whole = restore(pipeline, composite=False)
    assert not torch.equal(whole[visible], given["pixel_values"][visible])
    assert torch.equal(whole[~visible], restored[~visible])


@pytest.mark.parametrize("content", [-1.0, 1.0, float("nan")])
def test_hidden_pixels_of_the_input_are_not_looked_at(
    pipeline: DiffMVRPipeline, content: float
) -> None:
    given = frames()
    other = given["pixel_values"].clone()  # of the same memory layout: bit for bit needs that
    other[given["mask"].expand_as(other) > 0] = content
    assert torch.equal(restore(pipeline), restore(pipeline, pixel_values=other))


def test_every_guide_matters_if_it_is_valid_and_only_then(pipeline: DiffMVRPipeline) -> None:
    given = frames()
    base = restore(pipeline)
    for guide in range(2):
        changed = given["guide_pixel_values"].clone()
        changed[:, guide] = 0.3
        difference = (restore(pipeline, guide_pixel_values=changed) - base).abs().amax((1, 2, 3))
        assert (difference[1:] > 1e-3).all(), "in every occluded frame"
    assert not given["guide_valid"][0, 1]
    missing = given["guide_valid"].clone()
    missing[:, 1] = False
    first = restore(pipeline, guide_valid=missing)
    changed = given["guide_pixel_values"].clone()
    changed[:, 1] = 0.3
    assert torch.equal(first, restore(pipeline, guide_valid=missing, guide_pixel_values=changed))


def test_a_frame_does_not_depend_on_the_others(pipeline: DiffMVRPipeline) -> None:
    given = frames(clips=2)
    together = restore(pipeline, **given)
    apart = [
        restore(pipeline, **{name: value[part] for name, value in given.items()})
        for part in (slice(0, 1), slice(1, 6), slice(6, 8))
    ]
    torch.testing.assert_close(torch.cat(apart), together, rtol=1e-5, atol=1e-5)


def test_the_generator_decides(pipeline: DiffMVRPipeline) -> None:
    first = restore(pipeline, seed=1)
    torch.rand(3)
    assert torch.equal(first, restore(pipeline, seed=1))
    assert not torch.equal(first, restore(pipeline, seed=2))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first, restore(pipeline, latents=noise))


def test_a_callback_sees_every_step_and_may_change_the_latents(pipeline: DiffMVRPipeline) -> None:
    seen: list[tuple[int, int]] = []

    def watch(caller: Any, step: int, timestep: int, tensors: dict[str, Tensor]) -> dict:
        assert caller is pipeline and tensors["latents"].shape == (4, 4, 8, 8)
        seen.append((step, timestep))
        return tensors

    plain = restore(pipeline, num_inference_steps=3)
    assert torch.equal(plain, restore(pipeline, num_inference_steps=3, callback_on_step_end=watch))
    assert [step for step, _ in seen] == [0, 1, 2]
    assert seen[0][1] == 999 and seen[0][1] > seen[1][1] > seen[2][1]

    def grey(_caller: Any, step: int, _timestep: int, tensors: dict[str, Tensor]) -> dict:
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 2 else {}

    from diffmvr.models.vae import decode_latents

    flat = restore(pipeline, num_inference_steps=3, callback_on_step_end=grey, composite=False)
    expected = decode_latents(pipeline.vae, torch.zeros(4, 4, 8, 8)).clamp(-1, 1)
    assert torch.equal(flat, expected)


@pytest.mark.parametrize(
    "name",
    [
        "DPMSolverMultistepScheduler",
        "EulerDiscreteScheduler",
        "UniPCMultistepScheduler",
        "DDPMScheduler",
        "EulerAncestralDiscreteScheduler",
    ],
)
def test_any_scheduler_can_be_swapped_in(pipeline: DiffMVRPipeline, name: str) -> None:
    ddim = restore(pipeline, num_inference_steps=3)
    pipeline.scheduler = choose_sampler(pipeline.scheduler, name)
    assert type(pipeline.scheduler).__name__ == name
    first = restore(pipeline, num_inference_steps=3)
    torch.rand(3)
    # Those that add noise at every step repeat themselves too.
    assert torch.equal(first, restore(pipeline, num_inference_steps=3))
    assert torch.isfinite(first).all() and not torch.equal(first, ddim)


@pytest.mark.parametrize("residual", [False, True])
def test_many_ddim_and_euler_steps_agree(
    pipeline: DiffMVRPipeline, frozen_parts: Path, residual: bool
) -> None:
    # The reference is carried through whatever scale a sampler gives its latents.
    pipeline = residual_pipeline(frozen_parts) if residual else pipeline
    # Both integrate one ODE: with many steps they meet, which they do not if a model input, a
    # noise scale or a timestep is wrong in one of them.
    one = {name: value[1:2] for name, value in frames().items()}
    given = {**one, "num_inference_steps": 30, "composite": False}
    ddim = restore(pipeline, **given)
    pipeline.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    euler = restore(pipeline, **given)
    other = restore(pipeline, seed=5, **given)
    assert (euler - ddim).square().mean() < 0.05 * (euler - other).square().mean()


def test_without_a_correction_the_past_guide_is_shown(frozen_parts: Path) -> None:
    pipeline = residual_pipeline(frozen_parts)
    given = frames()
    masked = given["pixel_values"] * (1 - given["mask"])
    arguments = [given[name] for name in ("mask", "guide_pixel_values", "guide_valid")]
    conditions = encode_conditions(pipeline._components, masked, *arguments)
    reference = conditions.reference_latents
    restored = restore(
        pipeline, callback_on_step_end=lambda *_: {"latents": reference}, num_inference_steps=1
    )
    shown = (given["mask"] * given["guide_valid"][:, 1, None, None, None] > 0).expand_as(restored)
    assert shown.any()
    torch.testing.assert_close(restored[shown], given["guide_pixel_values"][:, 1][shown])


def test_user_scales_count_for_one_call(pipeline: DiffMVRPipeline) -> None:
    own = restore(pipeline)
    mirror, past = (restore(pipeline, guide_scales=s) for s in ((1.0, 0.0), (0.0, 1.0)))
    assert not torch.equal(mirror, own) and not torch.equal(mirror, past)
    assert torch.equal(own, restore(pipeline, guide_scales=(0.5, 0.5)))
    assert torch.equal(own, restore(pipeline)), "the model's own are back"

    def fail(*_arguments: Any) -> dict:
        raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        restore(pipeline, guide_scales=(1.0, 0.0), callback_on_step_end=fail)
    assert torch.equal(own, restore(pipeline)), "after an error as well"


def test_save_and_load_give_the_same_output_bit_for_bit(
    pipeline: DiffMVRPipeline, tmp_path: Path
) -> None:
    expected = restore(pipeline)
    pipeline.save_pretrained(tmp_path / "model")
    loaded = quiet(DiffMVRPipeline.from_pretrained(tmp_path / "model"))
    assert fingerprint(loaded.unet) == fingerprint(pipeline.unet)
    assert loaded.guide == pipeline.guide and not loaded.unet.training
    assert torch.equal(expected, restore(loaded))
    assert not list((tmp_path / "model").rglob("*.bin")), "safetensors only"

    # The same from a folder that leaves the frozen parts to its base.
    light = tmp_path / "light"
    shutil.copytree(tmp_path / "model", light)
    for part in ("vae", "image_encoder", "scheduler"):
        shutil.rmtree(light / part)
    (light / "base.json").write_text(json.dumps({"base": "../model"}))
    assert torch.equal(expected, restore(quiet(DiffMVRPipeline.from_pretrained(light))))


def test_two_towers_are_both_used_and_saved(
    frozen_parts: Path, tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    from diffmvr.models.guide_encoder import GuideEncoder

    components = build_tiny(frozen_parts)
    torch.manual_seed(4)
    other = GuideEncoder(32, 16, width=32, layers=2, heads=2, mlp_ratio=2.0, embed_dim=16).eval()
    one = quiet(DiffMVRPipeline.from_components(components))
    assert one.image_encoder_2 is None
    shared = restore(one)
    components.image_encoders = (components.image_encoders[0], other)
    two = quiet(DiffMVRPipeline.from_components(components))
    expected = restore(two)
    assert not torch.equal(expected, shared)
    two.save_pretrained(tmp_path)
    loaded = quiet(DiffMVRPipeline.from_pretrained(tmp_path))
    assert torch.equal(expected, restore(loaded))


def test_what_a_pipeline_says_of_itself(pipeline: DiffMVRPipeline) -> None:
    assert pipeline.resolution == SIDE
    assert pipeline.guide_kinds == ("symmetric", "past")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_values": torch.zeros(4, 1, 32, 32)}, r"pixel_values: .*got \(4, 1, 32, 32\)"),
        ({"mask": torch.zeros(4, 32, 32)}, r"mask: expected shape .*got \(4, 32, 32\)"),
        ({"mask": torch.full((4, 1, 32, 32), 255.0)}, r"mask: .*\[0, 1\], got \[255, 255\]"),
        ({"guide_pixel_values": torch.zeros(4, 1, 3, 32, 32)}, r"guide_pixel_values: .*\(4, 1, 3"),
        ({"num_inference_steps": 0}, r"num_inference_steps: .*got 0"),
        ({"guide_scales": (1.0,)}, r"guide_scales: .*got \(1\.0,\)"),
        ({"latents": torch.zeros(4, 4, 8, 8)}, r"latents: .*\(1, 4, 8, 8\), got \(4, 4, 8, 8\)"),
    ],
)
def test_bad_inputs_are_named(pipeline: DiffMVRPipeline, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        restore(pipeline, **changes)


@pytest.mark.parametrize("steps", [1, 3])
def test_every_part_runs_as_often_as_it_must(built: DiffMVRPipeline, steps: int) -> None:
    calls: list[str] = []
    parts = {"unet": built.unet, "encode": built.vae.encoder, "decode": built.vae.decoder}
    layers = [processor for _, processor in guide_processors(built.unet)]
    for number, layer in enumerate(layers):
        for kind in built.guide_kinds:
            parts[f"{number} {kind} keys"] = layer.to_k[kind]
            parts[f"{number} {kind} values"] = layer.to_v[kind]
    hooks = [
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, part in parts.items()
    ]
    restore(built, num_inference_steps=steps)
    for hook in hooks:
        hook.remove()
    counted = {name: calls.count(name) for name in parts}
    assert counted.pop("unet") == steps
    assert counted.pop("decode") == 1
    assert counted.pop("encode") == 2  # the masked frames, and the guides of all frames at once
    assert len(counted) == 2 * 2 * len(layers) and set(counted.values()) == {1}
    assert all(layer.remembered is None for layer in layers)


def test_remembered_keys_and_values_change_no_bit(
    built: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = restore(built, num_inference_steps=3)
    monkeypatch.setattr(
        "diffmvr.pipelines.diffmvr_pipeline.remember_keys_values", lambda unet: nullcontext()
    )
    assert torch.equal(restore(built, num_inference_steps=3), remembered)


def test_other_tokens_get_keys_of_their_own(built: DiffMVRPipeline) -> None:
    unet = built.unet
    tokens = [torch.randn(1, 5, unet.config.cross_attention_dim) for _ in range(4)]
    noisy = torch.randn(1, unet.config.in_channels, 8, 8)
    pairs = [tuple(tokens[:2]), tuple(tokens[2:])]
    with torch.no_grad():
        plain = [unet(noisy, 10, pair).sample for pair in pairs]
        with remember_keys_values(unet):
            within = [unet(noisy, 10, pair).sample for pair in (*pairs, *pairs)]
    assert not torch.allclose(plain[0], plain[1])
    for got, expected in zip(within, (*plain, *plain), strict=True):
        assert torch.equal(got, expected)


def test_a_loaded_model_leaves_nothing_to_chance(frozen_parts: Path, tmp_path: Path) -> None:
    components = build_tiny(frozen_parts, GuideSettings(pathway="both"))
    components.projector.register_to_config(dropout=0.5)
    components.projector.train()
    DiffMVRPipeline.from_components(components).save_pretrained(tmp_path)
    loaded = quiet(DiffMVRPipeline.from_pretrained(tmp_path))
    assert not any(part.training for part in loaded.components.values() if hasattr(part, "train"))
    results = [restore(loaded, num_inference_steps=1) for _ in range(4)]
    assert all(torch.equal(result, results[0]) for result in results)
