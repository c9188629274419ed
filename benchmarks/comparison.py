"""diffmvr against the plain diffusers loop: the same picture, and how much sooner?

Both run in one process and in turns, with the same clip, guides, weights, steps and noise.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from benchmarks.models import Case
from benchmarks.plain_diffusers import PlainInpainting
from benchmarks.timing import StageClock, interleave, spread
from torch import Tensor

from diffmvr.data.synthetic import render_clip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, Guides, to_pixel_values, to_uint8, window_of

CLIPS = ("typical", "every frame hidden", "one past frame")
"""``one past frame``: every frame hidden, and the past guide is the clear frame as it was, so that
all frames share it; in the other two it is carried to each frame."""

TOLERANCE = 1e-4
"""Largest difference of a restored pixel, in [0, 1] before it is rounded to 8 bits."""


def comparison(case: Case, which: str, steps: int, frames: int, repeats: int) -> dict[str, Any]:
    """Restore one clip both ways.

    Args:
        case: the model, in float32.
        which: one of ``CLIPS``.
        steps: denoising steps.
        frames: length of the clip.
        repeats: measurements of each, after one run of both for the difference of their pictures.

    Returns:
        A row: times of both from a clip and its guides to the restored clip, the same with finding
        the guides (done alike for both), the U-Net's calls alone, and the largest difference.

    Raises:
        ValueError: if the two do not restore the same clip.
    """
    clip, guides, whole, builder = _clip(case.pixels, frames, which)
    pipeline = DiffMVRPipeline.from_components(case.components)
    plain = PlainInpainting(case.components, steps)
    ours = CropRestorer(pipeline, _Given(guides), num_inference_steps=steps)

    difference, levels = _differences(pipeline, plain, ours, clip, guides, steps)
    if difference > TOLERANCE:
        raise ValueError(
            f"{which}, {steps} steps: expected the same clip to within {TOLERANCE:g}, got a "
            f"difference of {difference:g}; what is measured is not the same restoration"
        )
    plain_unet, our_unet = UNetTime(plain.unet, case), UNetTime(case.components.unet, case)
    timings = interleave(
        {
            "plain": lambda: plain_unet.within(lambda: plain.restore(clip, guides)),
            "diffmvr": lambda: our_unet.within(lambda: ours.restore(clip)),
            "guides": lambda: builder(whole),
        },
        repeats,
        0,
        case.device,
    )
    unet = [spread(time.seconds) for time in (plain_unet, our_unet)]
    # They were found in the whole recording, of which the clip is a part.
    finding = timings["guides"]["seconds"]["median"] * len(clip) / len(whole)
    hidden = int(clip.mask.any(axis=(1, 2)).sum())
    ratios = {
        "end_to_end": _ratio(timings["plain"], timings["diffmvr"], "seconds"),
        "end_to_end_of_cpu_time": _ratio(timings["plain"], timings["diffmvr"], "cpu_seconds"),
        "with_finding_the_guides": _ratio(timings["plain"], timings["diffmvr"], "seconds", finding),
        "unet": unet[0]["median"] / unet[1]["median"],
        # Of what both put through the network: the frames with a hole.
        "unet_per_frame": unet[0]["median"] / unet[1]["median"] * hidden / len(clip),
    }
    return {
        **case.described(),
        "clip": which,
        "frames": len(clip),
        "hidden_frames": hidden,
        "steps": steps,
        "largest_difference": difference,
        "changed_8_bit_values": levels,
        "plain": {**timings["plain"], "unet_seconds": unet[0]},
        "diffmvr": {**timings["diffmvr"], "unet_seconds": unet[1]},
        "finding_the_guides_seconds": finding,
        "ratios": ratios,
    }


class _Given:
    """A guide builder that has found its guides."""

    def __init__(self, guides: Guides) -> None:
        self.kinds = ("symmetric", "past")
        self._guides = guides

    def __call__(self, clip: Clip) -> Guides:
        return self._guides


def _clip(size: int, frames: int, which: str) -> tuple[Clip, Guides, Clip, AutomaticGuides]:
    """Return a clip, its guides, the recording they are of, and what finds them."""
    builder = AutomaticGuides(align_past="none" if which == "one past frame" else "layers")
    if which == "typical":
        clip = render_clip(0, 0, 0, size=size, num_frames=frames)
        return clip, builder(clip), clip, builder
    # Twice as long: somewhere in it the face is hidden for so many frames on end.
    for subject in range(100):
        whole = render_clip(0, subject, 0, size=size, num_frames=2 * frames)
        hidden = whole.mask.any(axis=(1, 2))
        for start in np.flatnonzero(hidden)[:1]:
            if hidden[start : start + frames].sum() == frames:
                part = window_of(whole, builder(whole), start, start + frames)
                return *part, whole, builder
    raise ValueError(f"frames: no rendered clip is hidden for {frames} frames; use fewer")


def _differences(
    pipeline: DiffMVRPipeline,
    plain: PlainInpainting,
    ours: CropRestorer,
    clip: Clip,
    guides: Guides,
    steps: int,
) -> tuple[float, int]:
    """Return the largest difference in [0, 1], and how many 8-bit values of the clip differ."""
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    observed = to_pixel_values(clip.observed)
    expected = torch.cat(plain.restore_frames(clip, guides)).cpu()
    restored: Tensor = observed.clone()
    restored[hidden] = pipeline(
        observed[hidden],
        torch.from_numpy(clip.mask[hidden, None]).float(),
        to_pixel_values(guides.images[hidden]),
        torch.from_numpy(guides.valid[hidden]),
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(0),
    ).pixel_values.cpu()
    difference = float((restored - expected).abs().max()) / 2
    return difference, int((ours.restore(clip) != to_uint8(expected)).sum())


class UNetTime:
    """Notes how much of each run is spent in the U-Net.

    Attributes:
        seconds: of each run.
    """

    def __init__(self, unet: Any, case: Case) -> None:
        self._clock = StageClock(case.device)
        self._clock.add("unet", unet)
        self.seconds: list[float] = []

    def within(self, run: Callable[[], Any]) -> None:
        """Run something with the clock on."""
        with self._clock.running():
            run()
        self.seconds.append(self._clock.spent["unet"])


def _ratio(plain: Any, ours: Any, unit: str, both: float = 0.0) -> float:
    return (plain[unit]["median"] + both) / (ours[unit]["median"] + both)
