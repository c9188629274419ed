import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics.extractors import FeatureExtractor, i3d
from diffmvr.metrics.frechet import FrechetVideoDistance
from diffmvr.metrics.gaussians import (
    Gaussian,
    frechet_distance,
    frechet_distance_of_features,
    gaussian_moments,
)


def features(seed: int, n: int = 200, d: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mixing + seed


def distance(a: Tensor, b: Tensor) -> float:
    return float(frechet_distance(*gaussian_moments(a), *gaussian_moments(b)))


def fed(real: Tensor, fake: Tensor) -> FrechetVideoDistance:
    """The metric, fed features as the pixels of videos of one tiny frame."""
    metric = FrechetVideoDistance(FeatureExtractor("pixels", 12, lambda videos: videos.flatten(1)))
    for side, is_real in ((real, True), (fake, False)):
        # In parts, as batches come.
        for part in side.split(64):
            metric.update(part.reshape(-1, 1, 3, 2, 2), real=is_real)
    return metric


def within(features: Tensor) -> Tensor:
    """Features as they fit into pixels."""
    return features / 100


def test_moments_agree_with_numpy() -> None:
    x = features(0)
    mean, cov = gaussian_moments(x)
    np.testing.assert_allclose(mean, x.numpy().mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(x.numpy().T), rtol=1e-10, atol=1e-12)


def test_closed_form_of_commuting_gaussians() -> None:
    # Diagonal covariances: Σ (μ₁ − μ₂)² + Σ (σ₁ − σ₂)².
    generator = torch.Generator().manual_seed(0)
    mean_a, mean_b, std_a, std_b = torch.rand(4, 9, generator=generator, dtype=torch.float64)
    got = frechet_distance(mean_a, torch.diag(std_a**2), mean_b, torch.diag(std_b**2))
    expected = (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()
    assert float(got) == pytest.approx(float(expected), abs=1e-12)


def test_agrees_with_scipys_matrix_root() -> None:
    a, b = features(0), features(1)
    (mean_a, cov_a), (mean_b, cov_b) = gaussian_moments(a), gaussian_moments(b)
    root = scipy.linalg.sqrtm((cov_a @ cov_b).numpy()).real
    expected = float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace())
    expected -= 2 * float(np.trace(root))
    assert distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_identical_features_have_no_distance_even_if_singular() -> None:
    few = features(0, n=5, d=40)
    assert distance(few, few) == pytest.approx(0.0, abs=1e-8 * float(few.square().sum()))


def test_singular_covariances_agree_with_the_exact_form() -> None:
    # tr (Σ₁ Σ₂)^½ is the sum of singular values of X₁ X₂ᵀ, X the centred, scaled features.
    a, b = features(0, n=8, d=30), features(1, n=11, d=30)
    centred = [(x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (a, b)]
    overlap = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    expected = (a.mean(0) - b.mean(0)).square().sum()
    expected += sum(x.square().sum() for x in centred) - 2 * overlap
    assert distance(a, b) == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize("sizes", [(200, 150), (8, 11), (200, 7)])
def test_samples_give_what_their_covariances_give(sizes: tuple[int, int]) -> None:
    a, b = features(0, n=sizes[0]), features(1, n=sizes[1])
    assert float(frechet_distance_of_features(a, b)) == pytest.approx(distance(a, b), rel=1e-8)
    assert float(frechet_distance_of_features(a, a)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("n", [60, 9])
def test_a_weight_is_a_repetition(n: int) -> None:
    a, b = features(0, n=n), features(1, n=n)
    weights = torch.tensor([0, 1, 2] * (n // 3))
    repeated = [x.repeat_interleave(weights, dim=0) for x in (a, b)]
    got = Gaussian.of_features(a, weights).distance(Gaussian.of_features(b, weights))
    assert float(got) == pytest.approx(distance(*repeated), rel=1e-8)


def test_agrees_with_torchmetrics_on_the_same_features() -> None:
    class Corners(nn.Module):
        num_features = 12

        def forward(self, images: Tensor) -> Tensor:
            return images.double()[:, :, :2, :2].flatten(1)

    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randint(0, 256, (2, 40, 3, 8, 8), generator=generator, dtype=torch.uint8)
    theirs = FrechetInceptionDistance(feature=Corners()).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    found = distance(Corners()(real), Corners()(fake))
    assert found == pytest.approx(float(theirs.compute()), rel=1e-8)


def test_is_symmetric_and_unmoved_by_rotation() -> None:
    a, b = features(0), features(1)
    rotation, _ = torch.linalg.qr(features(3, n=12))
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-10)
    assert distance(a @ rotation, b @ rotation) == pytest.approx(distance(a, b), rel=1e-10)


def test_streaming_equals_all_at_once() -> None:
    a, b = within(features(0)), within(features(1, n=150))
    metric = fed(a, b)
    assert float(metric.compute()) == pytest.approx(distance(a, b), rel=1e-8)
    assert metric.counts == (200, 150)


def test_reset_empties_both_sides() -> None:
    metric = fed(within(features(0)), within(features(1, n=3)))
    assert metric.counts == (200, 3)
    metric.reset()
    assert metric.counts == (0, 0)


def test_one_sample_is_refused() -> None:
    metric = fed(within(features(0)), within(features(1, n=1)))
    with pytest.raises(ValueError, match=r"fake: expected at least 2 samples .*got 1"):
        metric.compute()


def test_few_samples_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    fed(within(features(0, n=7)), within(features(1, n=9))).compute()
    assert "fvd_pixels: 7 samples for 12 features" in caplog.text


def test_a_distance_has_its_extractors_name() -> None:
    tiny = FeatureExtractor("clip_tiny", 3, lambda videos: videos.mean(dim=(1, 3, 4)))
    metric = FrechetVideoDistance(tiny)
    assert metric.name == "fvd_clip_tiny"
    videos = torch.rand(6, 4, 3, 8, 8)
    metric.update(videos, real=True)
    metric.update(videos.flip(0), real=False)
    assert float(metric.compute()) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="extractor: expected the network's name"):
        FrechetVideoDistance(FeatureExtractor("", 3, tiny.function))


def test_videos_outside_the_range_are_refused() -> None:
    tiny = FeatureExtractor("clip_tiny", 3, lambda videos: videos.mean(dim=(1, 3, 4)))
    with pytest.raises(ValueError, match=r"videos: expected values in \[-1, 1\]"):
        FrechetVideoDistance(tiny).update(torch.full((2, 4, 3, 8, 8), 255.0), real=True)


class StandIn(nn.Module):
    """Called like the real I3D file; answers with the frames' own means."""

    def forward(
        self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> Tensor:
        assert not rescale and not resize and return_features
        assert x.shape[1] == 3 and x.shape[3] == 224 and x.shape[4] == 224
        return x.mean(dim=[3, 4]).flatten(1)[:, :10].repeat(1, 40)


@pytest.fixture(scope="module")
def i3d_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "i3d_torchscript.pt"
    torch.jit.script(StandIn()).save(str(path))
    return path


def test_i3d_is_called_as_fvd_calls_it(i3d_file: Path) -> None:
    extractor = i3d(i3d_file, trusted=True)
    metric = FrechetVideoDistance(extractor)
    assert metric.name == "fvd"
    assert extractor.weight_hash is not None and len(extractor.weight_hash) == 64
    video = torch.linspace(-1, 1, 10)[None, :, None, None, None].expand(1, 10, 3, 20, 30)
    assert extractor(video).shape == (1, 400)
    torch.testing.assert_close(extractor(video)[0, :10], torch.linspace(-1, 1, 10))


def test_i3d_refuses_short_clips(i3d_file: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 10 frames for I3D, got 9"):
        i3d(i3d_file, trusted=True)(torch.zeros(1, 9, 3, 16, 16))


def test_a_torchscript_program_runs_only_if_it_is_trusted(i3d_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"videos\.fvd\.trusted: expected true for .*torchscript"):
        i3d(i3d_file)
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"broken\.pt: no TorchScript that can be read"):
        i3d(broken, trusted=True)


def test_absent_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotPresentError, match=r"not present: .*absent\.pt; .*curl -L -o"):
        i3d(tmp_path / "absent.pt")
