"""Pictures for data sets of annotated images."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_black_image(path: Path, width: int = 40, height: int = 20) -> None:
    """Write a picture, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
