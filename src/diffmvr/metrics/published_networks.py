"""Networks that others have published, from a file of their weights."""

from collections.abc import Callable
from importlib.util import find_spec
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


def packaged_file(package: str, file: Path) -> Path:
    """Return where an installed package has a file, or would have it.

    The package is found and not imported: none of its code runs.

    Args:
        package: its name.
        file: path in it.
    """
    found = find_spec(package)
    places = [] if found is None else found.submodule_search_locations or []
    return next((Path(place) / file for place in places), Path(package) / file)
