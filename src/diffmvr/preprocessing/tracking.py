"""Follow one face from frame to frame (paper 3.1): overlap decides who, a One-Euro filter where.

Boxes are (x0, y0, x1, y1) in pixels, integer values at pixel centres.
"""

import numpy as np

from diffmvr.checks import check_number, check_shape
from diffmvr.preprocessing.detection import Detections
from diffmvr.structures import FloatArray

MIN_IOU = 0.2
"""A detection that overlaps the last box by less is somebody else."""

MIN_CUTOFF = 0.05
SPEED_GAIN = 4.0
SPEED_CUTOFF = 0.15
"""One-Euro filter: cut-off at rest in cycles a frame, its growth with speed (in box sizes a frame),
and the cut-off of the speed's own filter."""


class OneEuro:
    """Smooth a signal on the way: strongly at rest, hardly in motion (Casiez et al. 2012).

    Args:
        min_cutoff: cut-off frequency at rest, in cycles per frame.
        gain: growth of the cut-off with the speed.
        speed_cutoff: cut-off frequency of the speed.
    """

    def __init__(
        self,
        min_cutoff: float = MIN_CUTOFF,
        gain: float = SPEED_GAIN,
        speed_cutoff: float = SPEED_CUTOFF,
    ) -> None:
        for name, value in (("min_cutoff", min_cutoff), ("speed_cutoff", speed_cutoff)):
            if value <= 0:
                raise ValueError(f"{name}: expected a positive frequency, got {value!r}")
        check_number("gain", gain, 0.0, np.inf)
        self.min_cutoff, self.gain, self.speed_cutoff = min_cutoff, gain, speed_cutoff
        self._value: FloatArray | None = None
        self._speed: FloatArray | None = None

    def __call__(self, value: FloatArray, unit: float = 1.0) -> FloatArray:
        """Take the next value ``[K]`` and return the smoothed one.

        Args:
            value: K quantities that move together.
            unit: what a speed of 1 is measured in, e.g. the size of the box.
        """
        if self._value is None or self._speed is None:
            self._value, self._speed = value.copy(), np.zeros_like(value)
            return value.copy()
        slow = _weight(self.speed_cutoff)
        self._speed = self._speed + slow * ((value - self._value) / unit - self._speed)
        weight = _weight(self.min_cutoff + self.gain * float(np.linalg.norm(self._speed)))
        self._value = self._value + weight * (value - self._value)
        return self._value.copy()


class FaceTracker:
    """Keeps to one of the faces that a detector finds.

    The first face is the largest (by score times area).  Later the face is the detection that
    overlaps the last one most; others are passed over, and where none overlaps, the face is not
    seen and its box stays where it was.

    Args:
        min_iou: least overlap (intersection over union) with the last box.

    Attributes:
        box: ``[4]``, where the face was last seen, or ``None`` before it was.
    """

    def __init__(self, min_iou: float = MIN_IOU) -> None:
        check_number("min_iou", min_iou, 0.0, 1.0)
        self.min_iou = min_iou
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self.box: FloatArray | None = None
        self._centre, self._log_side = OneEuro(), OneEuro()
        self._square: FloatArray | None = None

    def update(self, detections: Detections) -> bool:
        """Take the detections of the next frame; return whether the face is among them."""
        if not len(detections):
            return False
        if self.box is None:
            size = detections.boxes[:, 2:] - detections.boxes[:, :2]
            chosen = int(np.argmax(detections.scores * size.prod(axis=1)))
        else:
            overlap = iou(self.box, detections.boxes)
            chosen = int(np.argmax(overlap))
            if overlap[chosen] < self.min_iou:
                return False
        self.box = detections.boxes[chosen].astype(np.float64)
        side = float((self.box[2:] - self.box[:2]).max())
        centre = self._centre((self.box[:2] + self.box[2:]) / 2, unit=side)
        log_side = self._log_side(np.array([np.log(side)]))
        self._square = np.array([*centre, np.exp(log_side[0])])
        return True

    @property
    def square(self) -> FloatArray:
        """``[3]``: smoothed centre (x, y) of the face and the longer side of its box.

        Raises:
            ValueError: if no face was seen yet.
        """
        if self._square is None:
            raise ValueError("square: no face was seen yet; update the tracker first")
        return self._square


def iou(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return ``[K]``, intersection over union of a box ``[4]`` with boxes ``[K, 4]``."""
    check_shape("box", box, (4,))
    check_shape("boxes", boxes, (None, 4))
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    total = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.divide(shared, total, out=np.zeros(len(boxes)), where=total > 0)


def _weight(cutoff: float) -> float:
    """Return the weight of a new value in a first-order low-pass filter, one frame a step."""
    rate = 2 * np.pi * cutoff
    return float(rate / (rate + 1))
