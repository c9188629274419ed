"""How often each part runs when a clip is restored: no more than it must."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.recordings import FramesInMemory, MasksInMemory, box_masks, moving_frames
from tests.helpers.tiny import build_tiny, tiny_clip
from tests.unit.restoration.test_recording import walk

from diffmvr.models.components import Components
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.restoration.recording import VideoRestorer
from diffmvr.structures import to_pixel_values, to_uint8

FRAMES, ARRIVAL = 7, 2
HIDDEN = FRAMES - ARRIVAL
# Not carried to each frame, the past clear frame is one and the same image.
GUIDES = AutomaticGuides(align_past="none")


class Counters:
    """Counts calls of a model's parts, and how many frames went through each."""

    def __init__(self, components: Components) -> None:
        self.calls: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        vae = components.vae
        parts = {"unet": components.unet, "encode": vae.encoder, "decode": vae.decoder}
        parts["tower"] = components.image_encoders[0]
        self.layers = 0
        for layer, processor in guide_processors(components.unet):
            self.layers += 1
            for kind in components.guide.kinds:
                parts[f"keys {layer} {kind}"] = processor.to_k[kind]
                parts[f"values {layer} {kind}"] = processor.to_v[kind]
        for name, part in parts.items():
            part.register_forward_hook(lambda _, inputs, __, name=name: self._count(name, inputs))

    def _count(self, name: str, inputs: tuple[torch.Tensor, ...]) -> None:
        self.calls[name] += 1
        self.frames[name] += len(inputs[0])


def restored_with(frozen_parts: Path, steps: int, batch_size: int, pathway: str) -> Counters:
    components = build_tiny(frozen_parts, GuideSettings(pathway=pathway))
    counters = Counters(components)
    pipeline = DiffMVRPipeline.from_components(components)
    clip = tiny_clip(frames=FRAMES, arrival=ARRIVAL)
    CropRestorer(pipeline, GUIDES, num_inference_steps=steps, batch_size=batch_size).restore(clip)
    return counters


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(("batch_size", "batches"), [(16, 1), (2, 3)])
def test_frames_steps_and_batches(
    frozen_parts: Path, steps: int, batch_size: int, batches: int
) -> None:
    counted = restored_with(frozen_parts, steps, batch_size, "attention")
    assert counted.calls["unet"] == steps * batches, "once a step and batch"
    assert counted.frames["unet"] == steps * HIDDEN, "frames without a hole are left out"
    assert counted.frames["encode"] == counted.frames["decode"] == HIDDEN
    built = {name: n for name, n in counted.frames.items() if name.startswith(("keys", "values"))}
    assert len(built) == 2 * 2 * counted.layers
    assert set(built.values()) == {HIDDEN}, "once a frame and layer, whatever the steps"


@pytest.mark.parametrize("batch_size", [16, 2])
@pytest.mark.parametrize("pathway", ["attention", "both"])
def test_each_distinct_guide_is_encoded_once(
    frozen_parts: Path, pathway: str, batch_size: int
) -> None:
    clip = tiny_clip(frames=FRAMES, arrival=ARRIVAL)
    images = GUIDES(clip).images[ARRIVAL:]
    distinct = [len(np.unique(images[:, g].reshape(HIDDEN, -1), axis=0)) for g in range(2)]
    assert distinct == [HIDDEN, 1]
    counted = restored_with(frozen_parts, 2, batch_size, pathway)
    assert counted.frames["tower"] == sum(distinct), "over all batches"
    batches = -(-HIDDEN // batch_size)
    assert counted.calls["tower"] == batches + 1, "the past guide in the first batch alone"
    latents = sum(distinct) if pathway == "both" else 0
    assert counted.frames["encode"] == HIDDEN + latents


@pytest.mark.parametrize("pathway", ["attention", "both"])
def test_what_was_encoded_before_gives_the_same_frames(frozen_parts: Path, pathway: str) -> None:
    pipeline = DiffMVRPipeline.from_components(
        build_tiny(frozen_parts, GuideSettings(pathway=pathway))
    )
    clip = tiny_clip(frames=FRAMES, arrival=ARRIVAL)
    restored = CropRestorer(pipeline, GUIDES, batch_size=2).restore(clip)
    guides = GUIDES(clip)
    for first in range(ARRIVAL, FRAMES, 2):
        frames = slice(first, first + 2)
        alone = pipeline(
            to_pixel_values(clip.observed[frames]),
            torch.from_numpy(clip.mask[frames, None]).float(),
            to_pixel_values(guides.images[frames]),
            torch.from_numpy(guides.valid[frames]),
            generator=torch.Generator().manual_seed(0),
        )
        np.testing.assert_array_equal(restored[frames], to_uint8(alone.pixel_values))


def test_each_distinct_guide_of_a_recording_is_encoded_once(frozen_parts: Path) -> None:
    components = build_tiny(frozen_parts, GuideSettings(kinds=("past",), scales=(1.0,)))
    counters = Counters(components)
    pipeline = DiffMVRPipeline.from_components(components)
    pipeline.set_progress_bar_config(disable=True)
    count, arrival, window = 13, 3, 3
    # The face is clear once more in the middle.
    shown = box_masks(count, arrival=arrival)
    shown[8] = 0
    frames, masks = FramesInMemory(moving_frames(count)), MasksInMemory(shown)
    crops = CropRestorer(pipeline, AutomaticGuides(("past",), align_past="none"))
    for recording in (1, 2):
        restorer = VideoRestorer(crops, window=window, self_check=False)
        list(walk(frames, masks, restorer, pipeline.resolution))
        assert counters.frames["unet"] == recording * 9
        assert counters.calls["unet"] == recording * 4
        assert counters.frames["tower"] == recording * 2, "and again for another recording"


def test_no_tower_runs_where_no_token_is_attended_to(frozen_parts: Path) -> None:
    counted = restored_with(frozen_parts, 2, 16, "latents")
    assert counted.calls["tower"] == 0
