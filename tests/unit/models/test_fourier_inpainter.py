"""LaMa's generator: the public layout, the Fourier unit's arithmetic, and its reach."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from diffmvr.models.fourier_convolution import FastFourierConvolution, FourierUnit
from diffmvr.models.fourier_inpainter import FourierInpainter

# Read off advimman/lama: saicinpainting/training/modules/ffc.py (FFCResNetGenerator) and
# configs/training/big-lama.yaml: ngf 64, 3 downsamplings, 18 blocks of 512 channels, of which
# ratio_gin = ratio_gout = 0.75 global, no local Fourier unit, no gate, no bias in the convolutions.
BIG_LAMA = {
    "1.ffc.convl2l.weight": (64, 4, 7, 7),
    "1.bn_l.running_var": (64,),
    "2.ffc.convl2l.weight": (128, 64, 3, 3),
    "3.ffc.convl2l.weight": (256, 128, 3, 3),
    "4.ffc.convl2l.weight": (128, 256, 3, 3),
    "4.ffc.convl2g.weight": (384, 256, 3, 3),
    "4.bn_l.weight": (128,),
    "4.bn_g.weight": (384,),
    "5.conv1.ffc.convl2l.weight": (128, 128, 3, 3),
    "5.conv1.ffc.convl2g.weight": (384, 128, 3, 3),
    "5.conv1.ffc.convg2l.weight": (128, 384, 3, 3),
    "5.conv1.ffc.convg2g.conv1.0.weight": (192, 384, 1, 1),
    "5.conv1.ffc.convg2g.conv1.1.running_mean": (192,),
    "5.conv1.ffc.convg2g.fu.conv_layer.weight": (384, 384, 1, 1),
    "5.conv1.ffc.convg2g.fu.bn.bias": (384,),
    "5.conv1.ffc.convg2g.conv2.weight": (384, 192, 1, 1),
    "22.conv2.bn_l.bias": (128,),
    "22.conv2.bn_g.num_batches_tracked": (),
    "24.weight": (512, 256, 3, 3),
    "24.bias": (256,),
    "25.running_mean": (256,),
    "27.weight": (256, 128, 3, 3),
    "30.weight": (128, 64, 3, 3),
    "31.weight": (64,),
    "34.weight": (3, 64, 7, 7),
    "34.bias": (3,),
}
# Numbers in the checkpoint's generator, buffers included, as counted by another port of it.
BIG_LAMA_VALUES = 51_057_179


@cache
def small(seed: int = 0, downsamplings: int = 2) -> FourierInpainter:
    torch.manual_seed(seed)
    network = FourierInpainter(width=8, downsamplings=downsamplings, blocks=2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Else batch normalisation is the identity in eval mode.
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return network.eval()


def clip(frames: int = 2, side: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(1, frames, 1, side, side)
    mask[..., 4:10, 5:9] = 1
    return torch.rand(1, frames, 3, side, side, generator=generator) * 2 - 1, mask


def test_big_lama_is_the_default_by_names_and_shapes() -> None:
    with torch.device("meta"):
        state = FourierInpainter().state_dict()
    for name, shape in BIG_LAMA.items():
        assert tuple(state[f"generator.model.{name}"].shape) == shape, name
    assert sum(value.numel() for value in state.values()) == BIG_LAMA_VALUES
    layers = {int(name.split(".")[2]) for name in state}
    # 0 and 33 pad, 23 joins, 26, 29 and 32 are activations: no weights.
    assert layers == set(range(1, 23)) | {24, 25, 27, 28, 30, 31, 34}
    absent = ("model.2.ffc.convl2g", "model.4.ffc.convg2l", "model.4.ffc.convg2g", "model.1.bn_g")
    assert not [name for name in state for part in (*absent, "lfu", "gate") if f"{part}." in name]


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_checkpoint_round_trips_whatever_lies_beside_it(prefix: str) -> None:
    network = small()
    weights = {prefix + name: value.clone() for name, value in network.state_dict().items()}
    counters = [name for name in weights if name.endswith("num_batches_tracked")]
    for name in counters:
        del weights[name]
    weights["discriminator.model0.0.weight"] = torch.zeros(3)
    weights["loss_resnet_pl.impl.conv1.weight"] = torch.zeros(3)
    loaded = FourierInpainter.from_weights(weights)
    assert (loaded.config.width, loaded.config.downsamplings, loaded.config.blocks) == (8, 2, 2)
    assert loaded.config.global_share == 0.75 and not loaded.training
    assert len(counters) > 0
    assert torch.equal(loaded(*clip()), network(*clip()))


@pytest.mark.parametrize("downsamplings", [1, 3])
def test_the_depth_is_read_off_the_weights(downsamplings: int) -> None:
    network = small(downsamplings=downsamplings)
    loaded = FourierInpainter.from_weights(network.state_dict())
    assert loaded.config.downsamplings == downsamplings
    assert loaded.multiple == 2**downsamplings
    assert torch.equal(loaded(*clip()), network(*clip()))


def test_weights_that_do_not_fit_are_named() -> None:
    state = small().state_dict()
    name = "generator.model.5.conv1.ffc.convg2g.conv2.weight"
    gone = {key: value for key, value in state.items() if key != name}
    with pytest.raises(
        ValueError, match=rf"weights: 1 differ .*{name}: absent instead of \(24, 12"
    ):
        FourierInpainter.from_weights(gone)
    with pytest.raises(ValueError, match=rf"{name}: \(3,\) instead of \(24, 12, 1, 1\)"):
        FourierInpainter.from_weights(state | {name: torch.zeros(3)})
    with pytest.raises(ValueError, match=r"begin with generator\.model, got \['conv\.weight'\]"):
        FourierInpainter.from_weights({"conv.weight": torch.zeros(3)})
    plain = {"generator.model.1.weight": torch.zeros(3), "generator.model.4.bias": torch.zeros(3)}
    with pytest.raises(
        ValueError, match=r"expected generator\.model\.1\.ffc.*\(lama-regular\) cannot be"
    ):
        FourierInpainter.from_weights(plain)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_the_fourier_unit_is_a_convolution_of_the_spectrum(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    unit = FourierUnit(3).eval()
    nn.init.normal_(unit.bn.weight)
    nn.init.normal_(unit.bn.running_mean)
    x = torch.randn(2, 3, *shape)
    with torch.no_grad():
        got = unit(x).numpy()

    # The same in float64 and NumPy, its transform scaled to be unitary by hand.
    scale = np.sqrt(shape[0] * shape[1])
    spectrum = np.fft.rfft2(x.double().numpy()) / scale
    stacked = np.empty((2, 6, *spectrum.shape[2:]))
    stacked[:, 0::2], stacked[:, 1::2] = spectrum.real, spectrum.imag
    weight = unit.conv_layer.weight.detach().double().numpy()[:, :, 0, 0]
    mixed = np.einsum("oi,nihw->nohw", weight, stacked)
    mean, gamma = (
        value.detach().double().numpy()[:, None, None]
        for value in (unit.bn.running_mean, unit.bn.weight)
    )
    normal = np.maximum((mixed - mean) / np.sqrt(1 + unit.bn.eps) * gamma, 0)
    expected = np.fft.irfft2(normal[:, 0::2] + 1j * normal[:, 1::2], s=shape) * scale
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_a_convolution_is_the_sum_of_its_paths() -> None:
    torch.manual_seed(0)
    layer = FastFourierConvolution((2, 6), (2, 6), kernel_size=3, padding=1)
    x_local, x_global = torch.randn(1, 2, 8, 8), torch.randn(1, 6, 8, 8)
    local, glob = layer((x_local, x_global))
    torch.testing.assert_close(local, layer.convl2l(x_local) + layer.convg2l(x_global))
    torch.testing.assert_close(glob, layer.convl2g(x_local) + layer.convg2g(x_global))
    assert layer.convg2g(x_global).abs().max() > 0.01


def test_one_block_sees_the_whole_frame() -> None:
    torch.manual_seed(0)
    network = FourierInpainter(width=8, downsamplings=1, blocks=1).eval()
    pixels, mask = clip(frames=1, side=64)
    pixels.requires_grad_(True)
    network(pixels, mask)[0, 0, :, 60, 60].sum().backward()
    # Convolutions alone reach some 15 pixels.
    assert pixels.grad[0, 0, :, :8, :8].abs().max() > 0


def test_the_hole_is_not_looked_at_and_frames_stand_alone() -> None:
    network = small()
    pixels, mask = clip(frames=3)
    drawn = network(pixels, mask)
    assert drawn.shape == pixels.shape and drawn.abs().max() <= 1
    other = torch.where(mask == 1, torch.rand_like(pixels), pixels)
    torch.testing.assert_close(network(other, mask), drawn)
    torch.testing.assert_close(network(pixels[:, 1:2], mask[:, 1:2]), drawn[:, 1:2])
    # What LaMa is given: [0, 1], the hole black, the mask behind it.
    image = (pixels[0] + 1) / 2
    seen = torch.cat([image * (1 - mask[0]), mask[0]], dim=1)
    torch.testing.assert_close((drawn[0] + 1) / 2, network.generator(seen))


def test_half_precision_around_it_leaves_the_transform_alone() -> None:
    pixels, mask = clip()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drawn = small()(pixels, mask)
    torch.testing.assert_close(drawn.float(), small()(pixels, mask), atol=0.1, rtol=0)


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(ValueError, match=r"width: expected a number in \[4, 1024\], got 2"):
        FourierInpainter(width=2)
    with pytest.raises(ValueError, match=r"global_share: .*\[0.1, 0.9\], got 1.0"):
        FourierInpainter(width=8, global_share=1.0)
    with pytest.raises(ValueError, match="multiples of 4, got 18 × 18; pad the frames"):
        small()(*clip(side=18))
    pixels, mask = clip()
    with pytest.raises(ValueError, match=r"mask and pixel_values.* same shape"):
        small()(pixels, mask[:, :1])
