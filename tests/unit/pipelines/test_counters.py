"""How often each part runs when a clip is restored: no more than it must."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.tiny import build_tiny, tiny_clip

from diffmvr.models.components import Components
from diffmvr.models.dual_guide_attention import guide_processors
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.restorer import DiffMVRRestorer
from diffmvr.preprocessing.guides import AutomaticGuides

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
    DiffMVRRestorer(pipeline, GUIDES, steps, batch_size=batch_size).restore(clip)
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


@pytest.mark.parametrize("pathway", ["attention", "both"])
def test_each_distinct_guide_goes_through_its_tower_once(frozen_parts: Path, pathway: str) -> None:
    clip = tiny_clip(frames=FRAMES, arrival=ARRIVAL)
    images = GUIDES(clip).images[ARRIVAL:]
    distinct = [len(np.unique(images[:, g].reshape(HIDDEN, -1), axis=0)) for g in range(2)]
    assert distinct == [HIDDEN, 1]
    counted = restored_with(frozen_parts, 2, 16, pathway)
    assert counted.frames["tower"] == sum(distinct)
    assert counted.calls["tower"] == 2, "one call for each kind of guide"


def test_no_tower_runs_where_no_token_is_attended_to(frozen_parts: Path) -> None:
    counted = restored_with(frozen_parts, 2, 16, "latents")
    assert counted.calls["tower"] == 0
