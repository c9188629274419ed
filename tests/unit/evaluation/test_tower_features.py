"""The project's own tower as the network of a distance, under its own name."""

from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import tiny_clip

from diffmvr.evaluation.tower_features import mean_and_change, tower_features
from diffmvr.files import hash_files
from diffmvr.metrics.set_distances import SetDistances
from diffmvr.models.guide_encoder import GuideEncoder
from diffmvr.structures import to_pixel_values


def test_features_are_the_towers_pooled_vectors(frozen_parts: Path) -> None:
    folder = frozen_parts / "image_encoder"
    extractor = tower_features(folder)
    frames = to_pixel_values(tiny_clip().frames)
    expected = GuideEncoder.from_pretrained(folder).eval()(frames, "pooled")[:, 0]
    torch.testing.assert_close(extractor(frames), expected)
    assert (extractor.name, extractor.num_features) == ("clip_tiny", 16)
    assert extractor.weight_hash == hash_files(folder / "diffusion_pytorch_model.safetensors")


def test_it_gives_a_frame_and_a_video_distance(frozen_parts: Path) -> None:
    distances = SetDistances({"tiny": tower_features(frozen_parts / "image_encoder")}, replicates=3)
    for seed in range(3):
        clip = tiny_clip(seed=seed)
        scores = distances.add("occluded", clip.observed, clip)
        assert scores["fd_clip_tiny_video"] > 0.0
    found = {entry.distance: entry for entry in distances.compute()}
    assert set(found) == {"fd_clip_tiny", "fvd_clip_tiny"}
    assert (found["fd_clip_tiny"].n_samples, found["fvd_clip_tiny"].n_samples) == (12, 3)
    assert all(entry.value > 0.0 and len(entry.replicates) == 3 for entry in found.values())


def test_a_video_is_what_it_shows_and_how_that_changes() -> None:
    steps = torch.tensor([[0.0, 1.0], [3.0, 1.0], [-1.0, 1.0]])
    expected = torch.tensor([2.0 / 3.0, 1.0, (25.0 / 2.0) ** 0.5, 0.0])
    torch.testing.assert_close(mean_and_change(steps), expected)
    torch.testing.assert_close(mean_and_change(steps[:1]), torch.tensor([0.0, 1.0, 0.0, 0.0]))


def test_a_folder_without_a_tower_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no vision tower at .*absent"):
        tower_features(tmp_path / "absent")
