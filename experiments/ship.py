"""Turn a trained model folder into one that ships: half precision, no part that its base holds.

python experiments/ship.py outputs/.../model src/diffmvr/weights/diffmvr-tiny --base ../tiny-base
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "diffusion_pytorch_model.safetensors"


def ship(model: Path, target: Path, base: str | None) -> None:
    """Copy ``model`` to ``target``; parts that ``target / base`` holds are left to it."""
    target.mkdir(parents=True, exist_ok=True)
    shared = {path.name for path in (target / base).iterdir()} if base else set()
    for part in sorted(path for path in model.iterdir() if path.is_dir()):
        trained = part.name in ("unet", "projector")
        if (part.name in shared and not trained) or (target / part.name).exists():
            continue
        shutil.copytree(part, target / part.name)
        if (part / WEIGHTS).is_file():
            state = load_file(part / WEIGHTS)
            halved = {key: value.to(torch.float16).contiguous() for key, value in state.items()}
            save_file(halved, target / part.name / WEIGHTS, metadata={"format": "pt"})
    for name in ("model_index.json", "README.md"):
        shutil.copyfile(model / name, target / name)
    if base:
        (target / "base.json").write_text(json.dumps({"base": base}) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of a trained model")
    parser.add_argument("target", type=Path, help="folder to ship")
    parser.add_argument("--base", help="folder of the base, relative to the target")
    arguments = parser.parse_args()
    ship(arguments.model, arguments.target, arguments.base)


if __name__ == "__main__":
    main()
