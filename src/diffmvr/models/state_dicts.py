"""Weights from files into modules: all of them, of the right shapes, or an error naming them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from diffmvr.checks import WeightsNotPresentError

WEIGHTS_NAMES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
PICKLED = (".bin", ".ckpt", ".pt", ".pth")


def find_weights(folder: Path) -> Path:
    """Return the safetensors file of a diffusers model folder.

    Raises:
        WeightsNotPresentError: if there is none; pickled weights are not read.
    """
    for name in WEIGHTS_NAMES:
        if (folder / name).is_file():
            return folder / name
    pickled = [file for suffix in PICKLED for file in sorted(folder.glob(f"*{suffix}"))]
    raise WeightsNotPresentError(
        f"weights not present: no safetensors weights in {folder}; expected {WEIGHTS_NAMES[0]}"
        + (f" ({pickled_remedy(pickled[0], folder / WEIGHTS_NAMES[0])})" if pickled else "")
    )


def pickled_remedy(path: Path, converted: Path | None = None) -> str:
    """Say why a pickled file is not read, and how to convert it without running what is in it."""
    target = converted or path.with_suffix(".safetensors")
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"s = torch.load('{path}', map_location='cpu', weights_only=True); "
        "s = s.get('state_dict', s); save_file({k: v.clone().contiguous() for k, v in s.items() "
        f"if torch.is_tensor(v)}}, '{target}')"
    )
    return (
        f"pickled {path.suffix} weights are not read, because a pickle can run code: convert "
        f'{path.name} with `python -c "{code}"`'
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        ValueError: if the file is damaged or of another kind.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no safetensors file that can be read ({error})") from error


def check_state(
    shapes: Mapping[str, Tensor], offered: Mapping[str, Tensor], source: object
) -> None:
    """Require weights to be exactly those of a model.

    Args:
        shapes: what the model has.
        offered: what there is.
        source: where it is from, for the message.

    Raises:
        ValueError: naming the first that is missing, unknown or of another shape, and how many.
    """
    missing = [name for name in shapes if name not in offered]
    unknown = [name for name in offered if name not in shapes]
    other = [
        name for name in shapes if name in offered and shapes[name].shape != offered[name].shape
    ]
    told = []
    for names, what in ((missing, "missing"), (unknown, "unknown"), (other, "of other shapes")):
        if names:
            first = names[0]
            if names is other:
                first += f": {tuple(offered[first].shape)}, not {tuple(shapes[first].shape)}"
            told.append(f"{len(names)} {what} (the first: {first})")
    if told:
        raise ValueError(
            f"{source}: weights of another architecture: {', '.join(told)}; give weights that "
            "belong to these settings"
        )


def assign_state(model: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Give a model built on the meta device its weights, in float32 whatever the file holds.

    Each weight becomes a copy of its own: what two weights share in ``state`` they do not share in
    the model, and a file that is written over later does not change it.

    Raises:
        ValueError: if a weight is missing, unknown or of another shape.
    """
    check_state(model.state_dict(), state, source)
    own = {name: value.to(torch.float32, copy=True).contiguous() for name, value in state.items()}
    model.load_state_dict(own, strict=True, assign=True)


def load_pretrained(model_class: Any, folder: Path) -> Any:
    """Load a model that diffusers saved, strictly: nothing left random, nothing left over.

    Args:
        model_class: a ``ModelMixin``.
        folder: with ``config.json`` and safetensors weights.

    Raises:
        WeightsNotPresentError: if there are no weights.
        ValueError: if a weight is missing, unknown or of another shape.
    """
    variant = "fp16" if ".fp16." in find_weights(folder).name else None
    try:
        model, told = model_class.from_pretrained(
            folder,
            use_safetensors=True,
            low_cpu_mem_usage=False,
            variant=variant,
            output_loading_info=True,
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{folder}: weights of another architecture: {error}") from error
    differing = {what: told[f"{what}_keys"] for what in ("missing", "unexpected")}
    if any(differing.values()):
        parts = [
            f"{len(names)} {what} (the first: {sorted(names)[0]})"
            for what, names in differing.items()
            if names
        ]
        raise ValueError(f"{folder}: weights of another architecture: {', '.join(parts)}")
    return model
