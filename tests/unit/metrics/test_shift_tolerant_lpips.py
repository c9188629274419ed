"""ST-LPIPS from local weights: its properties, and the published network's own distances."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tests.helpers.tiny import tiny_clip
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError
from diffmvr.metrics import shift_tolerant_lpips
from diffmvr.metrics.shift_tolerant_lpips import ShiftTolerantLPIPSScorer, st_lpips

SMOOTH = torch.tensor([1.0, 2.0, 1.0])


def waves() -> tuple[Tensor, Tensor]:
    """Return two smooth pictures ``[1, 3, 64, 64]`` in [-1, 1]."""
    line = torch.linspace(-1, 1, 64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    first = torch.stack([x, y, torch.sin(6 * x) * torch.cos(5 * y)])
    return first[None], torch.stack([y, x, torch.sin(3 * x)])[None]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the published file, with its constants."""
    generator = torch.Generator().manual_seed(0)
    network = shift_tolerant_lpips._Network()
    state = {}
    for name, value in network.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
        if name.endswith("filt"):
            drawn = (torch.outer(SMOOTH, SMOOTH) / 16).expand(value.shape).clone()
        elif name.startswith("scaling_layer"):
            drawn = torch.full(value.shape, 0.1 if name.endswith("shift") else 0.5)
        # The linear weights of the published network are not negative.
        state[name] = drawn.abs() if name.startswith("lin") else drawn
    path = tmp_path_factory.mktemp("weights") / "alex_shift_tolerant.pth"
    torch.save(state, path)
    return path


def test_is_a_distance(weights: Path) -> None:
    a, b = waves()
    distance = st_lpips(weights)
    assert float(distance(a, a)) == 0.0
    assert float(distance(a, b)) > 0.0
    torch.testing.assert_close(distance(a, b), distance(b, a))
    # Each pair for itself.
    both = distance(torch.cat([a, b]), torch.cat([b, b]))
    torch.testing.assert_close(both, torch.stack([distance(a, b)[0], torch.tensor(0.0)]))


@pytest.mark.skipif(find_spec("stlpips_pytorch") is None, reason="needs the extra perception")
def test_gives_the_published_distances() -> None:
    # What stlpips_pytorch 0.0.2 itself says of these pictures (net="alex").
    distance = st_lpips()
    a, b = waves()
    assert float(distance(a, b)) == pytest.approx(0.74654621, abs=1e-5)
    # A shift by a pixel is next to nothing.
    assert float(distance(a[..., :-1], a[..., 1:])) < 0.02


def test_a_clip_is_scored_over_its_frames(weights: Path) -> None:
    clip = tiny_clip(frames=3, arrival=1)
    scorer = ShiftTolerantLPIPSScorer(weights)
    assert scorer(clip.frames, clip) == {"st_lpips": 0.0}
    assert scorer(clip.observed, clip)["st_lpips"] > 0.0


def test_bad_files_and_sizes_are_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shift_tolerant_lpips, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsNotPresentError, match=r"pip install 'diffmvr\[perception\]'"):
        st_lpips()
    other = tmp_path / "other.pth"
    torch.save({"net.slice1.0.weight": torch.zeros(2)}, other)
    with pytest.raises(ValueError, match=r"does not hold"):
        st_lpips(other)
    with pytest.raises(ValueError, match=r"sides of at least 32 pixels .*\(16, 40\)"):
        st_lpips(weights)(torch.zeros(1, 3, 16, 40), torch.zeros(1, 3, 16, 40))
