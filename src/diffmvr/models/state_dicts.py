"""Weights from files into modules: all of them, of the right shapes, or an error naming them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffmvr.checks import WeightsNotPresentError
from diffmvr.models.config_files import building, read_config
from diffmvr.tensor_files import read_tensors

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
    """Give a model, also one on the meta device, its weights, in float32 whatever the file holds.

    Each weight becomes a copy of its own: what two weights share in ``state`` they do not share in
    the model, and a file that is written over later does not change it.

    Raises:
        ValueError: if a weight is missing, unknown or of another shape.
    """
    check_state(model.state_dict(), state, source)
    own = {
        name: value.to(
            torch.float32 if value.is_floating_point() else value.dtype, copy=True
        ).contiguous()
        for name, value in state.items()
    }
    model.load_state_dict(own, strict=True, assign=True)


def load_pretrained(model_class: Any, folder: Path) -> Any:
    """Load a model that diffusers saved, strictly: nothing left random, nothing left over.

    (Its own loader leaves weights random, and takes any memory that the settings ask for.)

    Args:
        model_class: a ``ModelMixin``.
        folder: with ``config.json`` and safetensors weights.

    Returns:
        The model in float32 and evaluation mode.

    Raises:
        WeightsNotPresentError: if there are no weights.
        ValueError: if a setting is of another kind, or a weight is missing, unknown, of another
            shape or not finite.
    """
    # It takes seconds, and looking for weights does not need it.
    from diffusers.models.modeling_utils import no_init_weights

    settings = folder / "config.json"
    weights = find_weights(folder)
    config = read_config(settings, model_class)
    state = read_tensors(weights)
    name = model_class.__name__
    with building(name, settings):
        with torch.device("meta"):
            hollow = model_class.from_config(config)
        # Attention layers of early diffusers have other names.
        hollow._fix_state_dict_keys_on_load(state)
    check_state(hollow.state_dict(), state, settings)
    # Built again, not filled: what a model computes for itself, it cannot on the meta device.  No
    # random weights: whatever is drawn after it does not depend on what was loaded.
    with building(name, settings), no_init_weights():
        model = model_class.from_config(config)
    assign_state(model, state, settings)
    return model.eval()
