"""What is said of how sure a restored frame is."""

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diffmvr.geometry import invert
from diffmvr.structures import FloatArray, UInt8Array

STEPS = 2
"""Half widths are kept in steps of 1/2 grey level, up to 127.5."""


@dataclass(frozen=True)
class FrameDoubt:
    """How sure a frame is as a whole; a part of its row in a report.

    Attributes:
        expected_error: root mean squared error that is to be expected in the hole, in grey levels
            (0 to 255); ``None`` where nothing is known to tell it by.
        error_interval: within which it lies with the promised share.
        expression_error: mean absolute error of MediaPipe's 52 blendshapes that is to be expected,
            in [0, 1]; ``None`` where it cannot be told.
        expression_interval: within which that lies with the promised share.
        age: seconds since the nearest clear view of the face in the recording, negative if it is
            later; ``None`` for none.
        hidden_share: of the face, in [0, 1]; ``None`` where no face was found.
        abstained: whether the frame is not restored, since its error may be larger than the user
            allows.
        why: what makes it doubtful, in plain words; nothing where nothing is unusual.
    """

    expected_error: float | None
    error_interval: tuple[float, float] | None
    expression_error: float | None
    expression_interval: tuple[float, float] | None
    age: float | None
    hidden_share: float | None
    abstained: bool
    why: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DoubtMap:
    """By how much each hidden pixel may differ from the truth, with the promised share.

    Attributes:
        steps: ``[h, w]`` uint8, half width of each pixel's interval in steps of 1/2 grey level.
        matrix: ``[2, 3]``, pixels of the frame → pixels of the map; without rotation.
    """

    steps: UInt8Array
    matrix: FloatArray

    @classmethod
    def of(cls, half_width: NDArray[np.floating], matrix: FloatArray) -> "DoubtMap":
        """Round ``[h, w]`` half widths in grey levels up to whole steps."""
        steps = np.ceil(STEPS * half_width).clip(0, 255).astype(np.uint8)
        return cls(steps, matrix)

    def in_frame(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return ``[H, W]`` half widths in grey levels; beyond the map its rim is repeated."""
        laid = cv2.warpAffine(
            self.steps.astype(np.float32),
            invert(self.matrix),
            size[::-1],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(laid / STEPS, np.float32)

    def to_bytes(self) -> bytes:
        """Return the map as bytes: its matrix, its size, and its packed steps."""
        head = np.array([*self.matrix.ravel(), *self.steps.shape], "<f8").tobytes()
        return head + zlib.compress(self.steps.tobytes(), level=1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "DoubtMap":
        """Return what ``to_bytes`` has packed.

        Raises:
            ValueError: if the data are no map.
        """
        if len(data) < _HEAD:
            raise ValueError(f"a map of doubt: expected {_HEAD} bytes or more, got {len(data)}")
        head = np.frombuffer(data[:_HEAD], "<f8")
        sides = head[6:]
        if not (np.isfinite(head).all() and (sides >= 1).all() and (sides <= 2**14).all()):
            raise ValueError(f"a map of doubt: expected a matrix and a size, got {head.tolist()}")
        height, width = map(int, sides)
        unpacker = zlib.decompressobj()
        try:
            steps = unpacker.decompress(data[_HEAD:], height * width + 1)
        except zlib.error as error:
            raise ValueError(f"a map of doubt that cannot be unpacked ({error})") from error
        if len(steps) != height * width or not unpacker.eof:
            raise ValueError(f"a map of doubt: expected {height * width} steps, got {len(steps)}")
        grid = np.frombuffer(steps, np.uint8).reshape(height, width)
        return cls(grid, head[:6].reshape(2, 3).copy())


_HEAD = 8 * 8


@dataclass(frozen=True, eq=False)
class Judged:
    """What is said of one frame, and of each of its hidden pixels if that can be told."""

    frame: FrameDoubt
    map: DoubtMap | None = None
