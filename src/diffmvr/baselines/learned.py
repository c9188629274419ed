"""The rivals that this project trains itself, on the same clips as DiffMVR.

``fourier_inpainter`` sees one frame at a time, ``temporal_inpainter`` all frames of a clip;
``python -m diffmvr.train_inpainter`` makes both.
"""

from pathlib import Path

import numpy as np
import torch

from diffmvr.baselines.filling import fill_holes
from diffmvr.baselines.padding import pad_to_multiple
from diffmvr.checks import WeightsNotPresentError, check_number
from diffmvr.config import weights_dir
from diffmvr.models.config_files import read_config
from diffmvr.models.device import choose_device
from diffmvr.models.fourier_inpainter import FourierInpainter
from diffmvr.models.state_dicts import load_pretrained
from diffmvr.models.temporal_inpainter import TemporalInpainter
from diffmvr.structures import Clip, UInt8Array, to_pixel_values, to_uint8

Inpainter = FourierInpainter | TemporalInpainter

NETWORKS: dict[str, type[Inpainter]] = {
    network.__name__: network for network in (FourierInpainter, TemporalInpainter)
}
CONFIG_FILE = "config.json"


class LearnedInpainter:
    """A trained network behind the ``Restorer`` interface.

    Args:
        name: in the tables.
        weights: folder that training wrote; ``None`` stands for "not trained yet".
        made_by: the command that trains it.
        window: frames that the network sees at once; the last window of a longer clip overlaps the
            one before, so that none is short.
        device: ``auto`` (the GPU if there is one) or torch's name of a device.

    Raises:
        WeightsNotPresentError: if there are no weights; the message names the command.
        ValueError: if the folder holds something else.
    """

    def __init__(
        self,
        name: str,
        weights: str | Path | None,
        made_by: str,
        window: int = 16,
        device: str = "auto",
    ) -> None:
        check_number("window", window, 1, 10_000)
        self.name = name
        self.window = window
        key = f"baselines.{name}.weights"
        folder = None if weights is None else Path(weights)
        if folder is None or not (folder / CONFIG_FILE).is_file():
            where = f"{key}=null" if folder is None else _shown(folder / CONFIG_FILE)
            raise WeightsNotPresentError(
                f"weights not present: {where}; train them with `{made_by}`, then give the folder "
                f"model/ of that run as {key}=FOLDER"
            )
        self.network = load_inpainter(folder).to(choose_device(device))

    @torch.no_grad()
    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8."""
        filled = np.empty_like(clip.observed)
        for start in range(0, len(clip), self.window):
            first = max(min(start, len(clip) - self.window), 0)
            drawn = self._draw(clip, first)
            filled[start : start + self.window] = drawn[start - first :]
        return fill_holes(clip, filled.__getitem__)

    def _draw(self, clip: Clip, first: int) -> UInt8Array:
        """Draw ``window`` frames from ``first`` on, ``[T, H, W, 3]``."""
        part = slice(first, first + self.window)
        observed, mask = clip.observed[part], clip.mask[part]
        _, height, width, _ = observed.shape
        multiple = self.network.multiple
        device = self.network.device
        pixels = to_pixel_values(pad_to_multiple(observed, multiple))[None].to(device)
        hidden = torch.from_numpy(pad_to_multiple(mask != 0, multiple)).float()
        drawn = self.network(pixels, hidden[None, :, None].to(device))
        frames = clip.frame_index[part].tolist()
        return to_uint8(drawn[0], frames, f"{self.name}, clip {clip.clip_id}")[:, :height, :width]


def load_inpainter(folder: Path) -> Inpainter:
    """Load a network that ``python -m diffmvr.train_inpainter`` has written.

    Raises:
        ValueError: if the folder holds another network, or its weights are missing or do not fit.
    """
    kind = read_config(folder / CONFIG_FILE, None).get("_class_name")
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise ValueError(
            f"{folder / CONFIG_FILE}: expected a network of {sorted(NETWORKS)}, got {kind!r}; give "
            "a folder that `python -m diffmvr.train_inpainter` wrote"
        )
    network: Inpainter = load_pretrained(NETWORKS[kind], folder).requires_grad_(False)
    return network


def _shown(path: Path) -> Path:
    """Return a path as a table may show it: what ships is named from the package on."""
    package = weights_dir().parents[1]
    return path.relative_to(package) if path.is_relative_to(package) else path
