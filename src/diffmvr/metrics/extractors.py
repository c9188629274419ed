"""Networks that turn frames or videos into the features of a Fréchet distance.

Weights come from a local path and are named by their hash; nothing is downloaded.  Only Inception's
frame distance is called FID and only I3D's video distances FVD and VFID; any other carries its
extractor's name, ``fd_<name>`` between frames and ``fvd_<name>`` between videos.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diffmvr.checks import WeightsNotPresentError, check_range, check_shape
from diffmvr.files import hash_files
from diffmvr.published_weights import published_weights
from diffmvr.tensor_files import run_torchscript

INCEPTION_NAME = "inception_2015"
I3D_NAME = "i3d"
I3D_RGB_NAME = "i3d_rgb_imagenet"
I3D_FEATURES = 400
I3D_TRUSTED = "scoring.distances.videos.fvd.trusted"
I3D_SIDE = 224
I3D_MIN_FRAMES = 10

FRAME_DISTANCES = {INCEPTION_NAME: "fid"}
VIDEO_DISTANCES = {I3D_NAME: "fvd", I3D_RGB_NAME: "vfid"}


def frame_distance_name(extractor: str) -> str:
    """Return what the Fréchet distance between frames is called with this extractor."""
    return FRAME_DISTANCES.get(extractor, f"fd_{extractor}")


def video_distance_name(extractor: str) -> str:
    """Return what the Fréchet distance between videos is called with this extractor."""
    return VIDEO_DISTANCES.get(extractor, f"fvd_{extractor}")


@dataclass(frozen=True)
class FrameExtractor:
    """A frozen network that sees one frame at a time, under its own name.

    Attributes:
        name: what the distance is named after, e.g. ``clip_tiny``.
        num_features: D, the length of a feature vector.
        function: ``[N, 3, H, W]`` in [-1, 1] → ``[N, D]``.
        weight_hash: SHA-256 of the weights, where they are a file.
        summarise: features ``[T, D]`` of a video's frames → the features ``[E]`` of the video, for
            a network that stands in for one that sees videos; ``None`` if it does not.
    """

    name: str
    num_features: int
    function: Callable[[Tensor], Tensor]
    weight_hash: str | None = None
    summarise: Callable[[Tensor], Tensor] | None = None

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Return the features of each frame.

        Args:
            frames: ``[N, 3, H, W]`` float in [-1, 1].

        Raises:
            ValueError: if shape or range is another one, or the network's answer is.
        """
        check_shape("frames", frames, (None, 3, None, None))
        check_range("frames", frames, -1.0, 1.0)
        features = self.function(frames)
        check_shape(f"features of {self.name}", features, (len(frames), self.num_features))
        return features


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen network that sees whole videos, under its own name.

    Attributes:
        name: what the distance is named after, e.g. ``clip_tiny``.
        num_features: D, the length of a feature vector.
        function: ``[B, T, 3, H, W]`` in [-1, 1] → ``[B, D]``.
        weight_hash: SHA-256 of the weights, where they are a file.
    """

    name: str
    num_features: int
    function: Callable[[Tensor], Tensor]
    weight_hash: str | None = None

    @torch.no_grad()
    def __call__(self, videos: Tensor) -> Tensor:
        """Return the features of each video.

        Args:
            videos: ``[B, T, 3, H, W]`` float in [-1, 1].

        Raises:
            ValueError: if shape or range is another one, or the network's answer is.
        """
        check_shape("videos", videos, (None, None, 3, None, None))
        check_range("videos", videos, -1.0, 1.0)
        features = self.function(videos)
        check_shape(f"features of {self.name}", features, (len(videos), self.num_features))
        return features


def present(weights: str | Path, remedy: str) -> Path:
    """Return the path of a weights file that is there.

    Args:
        weights: path of the file.
        remedy: what it is needed for and how to get it.

    Raises:
        WeightsNotPresentError: if it is absent; the message names path and remedy.
    """
    path = Path(weights)
    if not path.is_file():
        raise WeightsNotPresentError(
            f"weights not present: {path}; {remedy}, or leave this distance out"
        )
    return path


def i3d(weights: str | Path, trusted: bool = False) -> FeatureExtractor:
    """Return the I3D network of FVD (400 Kinetics logits), from its TorchScript file.

    The file is the conversion of the original network that FVD implementations share,
    ``i3d_torchscript.pt``; its answers agree with the TensorFlow original when the frames are
    resized beforehand, as here: short side to 224, centre crop, values in [-1, 1].

    Args:
        weights: path of the file.
        trusted: whether it may run: TorchScript is a program.

    Raises:
        WeightsNotPresentError: if the file is absent; the message names the path.
        ValueError: if it is not trusted, or no TorchScript.
    """
    how = published_weights()["i3d"].remedy(weights)
    weights = present(weights, f"FVD needs I3D as TorchScript there: {how}")
    network = run_torchscript(weights, trusted, I3D_TRUSTED)

    def logits(videos: Tensor) -> Tensor:
        frames = videos.shape[1]
        if frames < I3D_MIN_FRAMES:
            raise ValueError(
                f"videos: expected at least {I3D_MIN_FRAMES} frames for I3D, got {frames}; "
                "score longer clips"
            )
        clips = _centre_square(videos.float()).movedim(2, 1)  # [B, 3, T, 224, 224]
        network.to(clips.device)
        return network(clips, rescale=False, resize=False, return_features=True)

    return FeatureExtractor(I3D_NAME, I3D_FEATURES, logits, hash_files(weights))


def _centre_square(videos: Tensor) -> Tensor:
    """Resize the short side to 224 and crop the centre: ``[B, T, 3, 224, 224]``."""
    b, t, c, h, w = videos.shape
    scale = I3D_SIDE / min(h, w)
    size = (max(I3D_SIDE, round(h * scale)), max(I3D_SIDE, round(w * scale)))
    frames = F.interpolate(videos.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
    top, left = (size[0] - I3D_SIDE) // 2, (size[1] - I3D_SIDE) // 2
    square = frames[:, :, top : top + I3D_SIDE, left : left + I3D_SIDE]
    return square.reshape(b, t, c, I3D_SIDE, I3D_SIDE)
