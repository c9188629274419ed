"""Where networks run, by the name that a setting gives."""

import torch


def choose_device(name: str) -> torch.device:
    """Return a device by its name; ``auto`` is the GPU if there is one, else the CPU.

    Args:
        name: ``auto``, or a name of torch's, e.g. ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: if a GPU is asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {name} was asked for but torch finds no GPU; use device=cpu")
    return device
