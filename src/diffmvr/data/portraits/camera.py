"""What a camera makes of a scene: framing, light, blur, noise and compression.

Legend: T frames.
"""

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.data.synthetic.rng import FloatArray, smooth_path
from diffmvr.picture_files import open_picture
from diffmvr.structures import UInt8Array

Float32Array = NDArray[np.float32]

MIDDLE = np.array([0.0, 0.45])
"""Canonical coordinates of the middle of the picture, on average."""
SIDE = (4.3, 5.0)
"""Side of a frame in distances between the eyes, as crops of recordings have it."""
BEYOND = 0.15
"""How far a frame may reach beyond the picture, whose edge is mirrored there."""


@dataclass(frozen=True)
class Camera:
    """A camera and its light over T frames.

    Attributes:
        matrix: ``[T, 2, 3]`` canonical → pixels of a frame of side 1; pixel edges are integers.
        gain: ``[T, 3]`` exposure and colour of the light.
        slope: ``[T, 2]`` how much brighter the right and the lower edge are than the middle.
        gamma: exponent of the tone curve.
        saturation: factor of the colours' distance from grey.
        blur: standard deviation as a share of the frame's side.
        noise: standard deviation in grey levels, at mid-grey.
        quality: of JPEG, 1 to 100; 0 for none.
        seed: of the noise.
    """

    matrix: FloatArray
    gain: FloatArray
    slope: FloatArray
    gamma: float
    saturation: float
    blur: float
    noise: float
    quality: int
    seed: int

    def look(self, scene: Float32Array, t: int) -> Float32Array:
        """Return frame t of a scene ``[H, W, 3]`` 0–255 in this light, without noise."""
        side = len(scene)
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
        right, down = self.slope[t].astype(np.float32)
        light = (1 + right * axis[None, :] + down * axis[:, None])[..., None]
        image = scene * (light * self.gain[t].astype(np.float32))
        if self.saturation != 1.0:
            grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
            image = grey[..., None] + np.float32(self.saturation) * (image - grey[..., None])
        image = np.clip(image, 0, 255)
        if self.gamma != 1.0:
            image = 255 * (image / 255) ** np.float32(self.gamma)
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), max(self.blur * side, 1e-3))
        return np.asarray(image, np.float32)

    def record(self, image: Float32Array, t: int) -> UInt8Array:
        """Return frame t with the camera's noise and compression, ``[H, W, 3]`` uint8.

        The noise of a frame is always the same, whatever is in the picture.
        """
        if self.noise:
            rng = np.random.Generator(np.random.PCG64([self.seed, t]))
            grain = rng.standard_normal(image.shape, dtype=np.float32)
            # A photon counter's: it grows with the root of the light.
            image = image + grain * np.sqrt(0.25 + image / 170) * np.float32(self.noise)
        pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        if not self.quality:
            return pixels
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, self.quality))
        return np.array(open_picture(BytesIO(data.tobytes()), "frame").convert("RGB"))


def plain_camera(frames: int, matrix: FloatArray) -> Camera:
    """Return a camera that stands still and changes nothing.

    Args:
        frames: T.
        matrix: ``[2, 3]``, see ``Camera``.
    """
    return Camera(
        matrix=np.broadcast_to(matrix, (frames, 2, 3)),
        gain=np.ones((frames, 3)),
        slope=np.zeros((frames, 2)),
        gamma=1.0,
        saturation=1.0,
        blur=0.0,
        noise=0.0,
        quality=0,
        seed=0,
    )


def sample_camera(
    rng: np.random.Generator, frames: int, frame_rate: float, low: FloatArray, high: FloatArray
) -> Camera:
    """Draw a camera, its light and its faults; they hold for the whole clip.

    Args:
        rng: source of everything random.
        frames: T.
        frame_rate: frames in a second.
        low: ``[2]`` canonical, the picture's upper left corner.
        high: ``[2]`` its lower right one.
    """
    path = smooth_path(rng, frames, max(3.0, 1.2 * frame_rate), 8)
    held = rng.uniform(0.0, 1.0) if rng.uniform() < 0.5 else 0.0
    largest = float((high - low).min()) + 2 * BEYOND
    side = min(float(rng.uniform(*SIDE)), largest) * (1 + 0.012 * held * path[:, 0])
    middle = MIDDLE + rng.uniform(-0.15, 0.15, 2) + 0.05 * held * path[:, 1:3]
    reach = 0.5 * side[:, None] - BEYOND
    middle = np.clip(middle, np.minimum(low + reach, 0.5 * (low + high)), high - reach)
    angle = 0.012 * held * path[:, 3]
    cos, sin = np.cos(angle) / side, np.sin(angle) / side
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=-2)
    shift = 0.5 - np.einsum("tij,tj->ti", linear, middle)

    warmth = rng.uniform(-1.0, 1.0)
    exposure = rng.uniform(0.55, 0.8) if rng.uniform() < 1 / 6 else rng.uniform(0.82, 1.05)
    flicker = rng.uniform(0.0, 0.08)
    step = np.zeros(frames)
    if rng.uniform() < 1 / 10:
        # A lamp or the automatic exposure changes the light at once.
        step[int(rng.integers(frames)) :] = rng.uniform(-0.25, 0.15)
    tint = np.array([1 + 0.07 * warmth, 1 + rng.uniform(-0.02, 0.02), 1 - 0.09 * warmth])
    brightness = exposure * (1 + flicker * path[:, 4]) * (1 + step)
    slope = rng.uniform(-0.28, 0.28) * np.array([1.0, 0.0]) + rng.uniform(-0.12, 0.12, 2)
    return Camera(
        matrix=np.concatenate([linear, shift[..., None]], axis=-1),
        gain=brightness[:, None] * tint,
        slope=slope + 0.05 * path[:, 5:7],
        gamma=float(np.exp(rng.uniform(-0.22, 0.22))),
        saturation=float(rng.uniform(0.75, 1.15)),
        blur=float(rng.uniform(0.0, 0.006)) if rng.uniform() < 0.6 else 0.0,
        noise=float(rng.uniform(0.3, 3.5)),
        quality=int(rng.integers(55, 96)) if rng.uniform() < 0.8 else 0,
        seed=int(rng.integers(2**31)),
    )
