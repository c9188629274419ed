"""Tensors from files that others may have made: no code runs, and every weight is a number."""

import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from diffmvr.published_weights import check_known

log = logging.getLogger(__name__)

COMPILED = "_orig_mod."
PARALLEL = "module."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a file that ``torch.save`` wrote of them.

    Args:
        path: the file; a ``.safetensors`` one is not pickled, any other is read by
            ``torch.load(weights_only=True)``, which runs no code.

    Returns:
        The tensors by name; names that ``torch.compile`` or ``DataParallel`` prefixed are given
        without it, and a line in the log says so.

    Raises:
        ValueError: if the file is damaged or of another kind, is not what its name says
            (``check_known``), or a weight is not finite.
    """
    check_known(path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no safetensors file that can be read ({error})") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} holds more than plain tensors, or is damaged; other objects would run code, "
            "so they are not read: convert it where you trust it, with "
            "safetensors.torch.save_file of torch.load(…)['state_dict']"
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    if not isinstance(weights, Mapping):
        weights = {}
    tensors = {
        name: value
        for name, value in weights.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise ValueError(f"{path}: expected tensors by name, got {type(content).__name__}")
    tensors = without_prefixes(tensors, path)
    check_finite_weights(tensors, path)
    return tensors


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a program of TorchScript, which runs when it is used."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        # A file of torch.save has data.pkl alone.
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def run_torchscript(
    path: Path, trusted: bool, setting: str, device: torch.device | str = "cpu"
) -> torch.jit.ScriptModule:
    """Load a TorchScript program, if it is trusted.

    Args:
        path: the file.
        trusted: whether it may run here.
        setting: the setting that says so, for the message.
        device: where it runs.

    Raises:
        ValueError: if it is not trusted, not what its name says (``check_known``), or no such
            program.
    """
    if not trusted:
        raise ValueError(
            f"{setting}: expected true for {path}, got false; TorchScript is a program that would "
            f"run here, so give {setting}=true only if you trust where it is from"
        )
    check_known(path)
    try:
        return torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: no TorchScript that can be read; give another file") from error


def without_prefixes(state: Mapping[str, Any], source: object) -> dict[str, Any]:
    """Take ``_orig_mod.`` and ``module.`` out of the names of weights.

    ``torch.compile`` puts the first before the names of the module that it compiled, wherever that
    is in the model; ``DataParallel`` and ``DistributedDataParallel`` put the second before all.

    Args:
        state: weights by name.
        source: where they are from, for the log.

    Returns:
        The same weights; a line in the log says if a name changed.
    """
    names = {name: name.replace(COMPILED, "") for name in state}
    if names and all(name.startswith(PARALLEL) for name in names.values()):
        names = {name: short.removeprefix(PARALLEL) for name, short in names.items()}
    if len(set(names.values())) < len(names):
        return dict(state)
    if changed := [name for name, short in names.items() if name != short]:
        log.info(
            "%s: %d names are prefixed, as torch.compile and DataParallel leave them (%s); "
            "they are read as %s",
            *(source, len(changed), changed[0], names[changed[0]]),
        )
    return {names[name]: value for name, value in state.items()}


def check_finite_weights(state: Mapping[Any, Any], source: object) -> None:
    """Require every weight to be a finite number.

    Args:
        state: tensors by name; what is no tensor of floats is passed over.
        source: where they are from, for the message.

    Raises:
        ValueError: with the first tensor that is not finite, and how many are not.
    """
    broken = [
        name
        for name, value in state.items()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and not bool(torch.isfinite(value).all())
    ]
    if broken:
        values = state[broken[0]]
        count = int((~torch.isfinite(values)).sum())
        raise ValueError(
            f"{source}: expected finite weights, got {count} of {values.numel():,} values of "
            f"{broken[0]} infinite or no number"
            + (f", and {len(broken) - 1} more such tensors" if len(broken) > 1 else "")
            + "; the training diverged or the file is damaged: take another checkpoint"
        )
