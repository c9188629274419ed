"""Networks that others have published, from a file of their weights."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from diffmvr.metrics.extractors import present
from diffmvr.tensor_files import read_tensors

Network = TypeVar("Network", bound=nn.Module)


def load_published(
    build: Callable[[], Network], weights: str | Path, remedy: str, device: str = "cpu"
) -> tuple[Network, Path]:
    """Build a network and give it the weights of a file that holds nothing else.

    Args:
        build: makes the network, its weights as they come; no time goes into them.
        weights: path of a state dict (read without unpickling code).
        remedy: what the file is needed for and how to get it.
        device: where the network will run.

    Returns:
        The network in evaluation mode, and the file.

    Raises:
        WeightsNotPresentError: if the file is absent; the message names path and remedy.
        ValueError: if it holds more than tensors, or names or shapes are not the network's; the
            message names some.
    """
    path = present(weights, remedy)
    with torch.device("meta"):
        network = build()
    state = read_tensors(path)
    network.to_empty(device="cpu")
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"weights: {path} does not hold {type(network).__name__}: "
            f"{' '.join(str(error).split())[:300]}; give the file of this network"
        ) from error
    return network.eval().to(device), path
