"""YOLOv8 detectors of faces and of what hides them (paper 3.1, 4.1).

Boxes are (x0, y0, x1, y1) with integer values at pixel *centres*, as everywhere in diffmvr.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffmvr.checks import check_number, check_shape
from diffmvr.preprocessing.detection import Detections, Detector
from diffmvr.preprocessing.yolo_files import STRIDE, read_checkpoint, read_detector
from diffmvr.structures import UInt8Array

_GREY = 114


class YoloDetector(Detector):
    """Finds boxes, and outlines where the network draws them, in one image.

    Args:
        folder: a detector's folder, or a ``.pt`` file of ultralytics.
        confidence: least score of a detection, in [0, 1].
        overlap: boxes that overlap a better one by more than this IoU are left out.
        device: ``"cpu"`` or ``"cuda"``.
        trusted: needed for a ``.pt`` file: reading one runs whatever code it holds.

    Raises:
        FileNotFoundError: if a file of the folder is missing.
        ValueError: if a file does not fit, or a ``.pt`` file is not named as trusted.
    """

    def __init__(
        self,
        folder: str | Path,
        confidence: float = 0.5,
        overlap: float = 0.6,
        device: str = "cpu",
        trusted: bool = False,
    ) -> None:
        check_number("confidence", confidence, 0, 1)
        check_number("overlap", overlap, 0, 1)
        folder = Path(folder)
        if folder.suffix == ".pt":
            read, self.config = read_checkpoint(folder, trusted)
        else:
            read, self.config = read_detector(folder)
        self.confidence = confidence
        self.overlap = overlap
        self.device = torch.device(device)
        # Joining convolution and normalisation changes nothing but the time it takes.
        network: Any = read.to(self.device).eval()
        self.network = network.fuse(verbose=False)
        # Here, and not in a thread that finds faces while another one imports.
        import ultralytics.utils.nms  # noqa: F401

    @torch.no_grad()
    def detect(self, image: UInt8Array) -> Detections:
        """Find the objects in an image, the best first.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.

        Returns:
            Boxes in pixels of ``image``, scores, and masks ``[K, H, W]`` if the network draws
            outlines.
        """
        check_shape("image", image, (None, None, 3))
        height, width = image.shape[:2]
        box = letterbox(height, width, self.config.image_size)
        out = self.network(_to_input(image, box).to(self.device))[0]
        raw, prototypes = out if self.config.segmentation else (out, None)
        found = _suppress(raw, self.confidence, self.overlap, len(self.config.names))
        corners = box.to_image(found[:, :4])
        boxes = corners.double().cpu().numpy() - 0.5
        scores = found[:, 4].double().cpu().numpy()
        masks = None
        if prototypes is not None:
            masks = _draw(prototypes[0], found[:, 6:], corners, box)
        return Detections(boxes, scores, masks)


@dataclass(frozen=True)
class Letterbox:
    """An image ``[height, width]`` in the middle of a grey one ``[rows, columns]``.

    ``inner_height × inner_width`` is its size there; ``top`` and ``left`` are its offsets.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int
    rows: int
    columns: int

    def to_image(self, boxes: Tensor) -> Tensor:
        """Carry boxes ``[K, 4]`` (edges, not centres) back to the image and clip them to it."""
        scale = boxes.new_tensor([self.width / self.inner_width, self.height / self.inner_height])
        shift = boxes.new_tensor([self.left, self.top])
        limit = boxes.new_tensor([self.width, self.height])
        points = (boxes.reshape(-1, 2, 2) - shift) * scale
        return points.clamp(min=torch.zeros_like(limit), max=limit).reshape(-1, 4)


def letterbox(height: int, width: int, size: int) -> Letterbox:
    """Fit an image into ``size`` pixels on its longer side, the other padded to the next 32."""
    scale = size / max(height, width)
    inner_height, inner_width = max(round(height * scale), 1), max(round(width * scale), 1)
    rows, columns = (-(-side // STRIDE) * STRIDE for side in (inner_height, inner_width))
    top, left = (rows - inner_height) // 2, (columns - inner_width) // 2
    return Letterbox(height, width, inner_height, inner_width, top, left, rows, columns)


def _to_input(image: UInt8Array, box: Letterbox) -> Tensor:
    """Return ``[1, 3, rows, columns]`` float in [0, 1]."""
    shrinks = box.inner_width < box.width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    inner = cv2.resize(image, (box.inner_width, box.inner_height), interpolation=method)
    canvas = np.full((box.rows, box.columns, 3), _GREY, np.uint8)
    canvas[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width] = inner
    return torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255


def _suppress(raw: Tensor, confidence: float, overlap: float, classes: int) -> Tensor:
    """Return ``[K, 6 + coefficients]``: box, score, class, the best first."""
    from ultralytics.utils.nms import non_max_suppression

    # No limit of time: what is found must not depend on how busy the machine is.
    return non_max_suppression(raw, confidence, overlap, nc=classes, max_time_img=60.0)[0]


def _draw(prototypes: Tensor, coefficients: Tensor, corners: Tensor, box: Letterbox) -> UInt8Array:
    """Return masks ``[K, H, W]`` 0/1: coefficients times prototypes, smooth to the full size."""
    masks = np.zeros((len(coefficients), box.height, box.width), np.uint8)
    logits = torch.einsum("kc,chw->khw", coefficients, prototypes)
    for mask, logit, corner in zip(masks, logits, corners.cpu().numpy(), strict=True):
        inside = F.interpolate(logit[None, None], (box.rows, box.columns), mode="bilinear")[0, 0]
        inside = inside[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
        full = cv2.resize(
            inside.cpu().numpy(), (box.width, box.height), interpolation=cv2.INTER_LINEAR
        )
        x0, y0 = np.floor(corner[:2]).astype(int)
        x1, y1 = np.ceil(corner[2:]).astype(int)
        mask[y0:y1, x0:x1] = full[y0:y1, x0:x1] > 0
    return masks
