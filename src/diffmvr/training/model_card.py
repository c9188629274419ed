"""A model card beside every weights file: what made it, from what, and how good it is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffmvr.files import read_json, write_json
from diffmvr.models.stable_diffusion import UNET_CONFIG
from diffmvr.text import without_places

CARD_NAME = "README.md"
OWN_LICENCE = "apache-2.0"
STABLE_DIFFUSION_LICENCE = "creativeml-openrail-m"

_LIMITS = """\
## What it is for

Research on what a video's own evidence says of a hidden part of a face: the visible half mirrored,
and the last frame in which nothing was in the way. For every frame, show the age of that last frame
beside the result.

## What it is not for

- **It is not a medical device**, and no diagnosis or treatment may rest on it. A restored face is a
  guess led by evidence, never evidence itself.
- A state of the face that changed while it was hidden (rest, move, pain) is not known to the model;
  it is inclined to show the state of the last clear frame.
- It is not for identifying people, nor for undoing what was hidden for the sake of privacy.
- On faces, ages, cameras and occluders unlike those of the training data, expect less; score it on
  your own before you use it.
"""


def write_model_card(
    folder: Path,
    title: str,
    facts: Mapping[str, object],
    scores: Mapping[str, float],
    licence: str = OWN_LICENCE,
    library: str = "diffusers",
) -> None:
    """Write ``README.md`` into a weights folder, the last file that it gets.

    No file in it then tells where this machine keeps things.

    Args:
        folder: the weights folder.
        title: what the weights are.
        facts: command, seed, data, steps, minutes, …
        scores: measured values, with the data they were measured on in the name; may be empty.
        licence: of the weights, by the name that model hubs use.
        library: what loads them.
    """
    lines = [*_head(title, licence, library), *fact_lines(facts)]
    if scores:
        lines += ["", "| score | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in scores.items()]
    _write(folder, "\n".join(lines) + "\n")


def write_export_card(
    folder: Path,
    title: str,
    licence: str,
    loading: str,
    model: Mapping[str, object],
    training: str,
    scores: str | None,
) -> None:
    """Write the card of an exported model: its use and limits, how to load it, how it was made.

    Args:
        folder: the exported folder.
        title: of the card.
        licence: of the weights, by the name that model hubs use.
        loading: Python lines that load and run it.
        model: what the model is: size, guides, precision, …
        training: what made it, in Markdown; empty if that is not known.
        scores: a table in Markdown, if it was scored.
    """
    parts = [
        "\n".join(_head(title, licence, "diffusers")),
        "Restores the hidden part of a face in a video, frame by frame, led by guide images.",
        f"```python\n{loading.strip()}\n```",
        _LIMITS.strip(),
        "## The model",
        "\n".join(fact_lines(model)),
        "## Training",
        training.strip() or "Not recorded.",
    ]
    if scores:
        parts += ["## Scores on people it was not trained on", scores.strip()]
    parts += [
        "## Licence",
        f"The weights: `{licence}`. The code in `diffmvr_pipeline.py`: `{OWN_LICENCE}`."
        + (
            " The weights were made from Stable Diffusion 1.5; the use restrictions of its licence "
            "(attachment A) pass on to whoever uses or shares them."
            if licence == STABLE_DIFFUSION_LICENCE
            else ""
        ),
    ]
    _write(folder, "\n\n".join(parts) + "\n")


def _write(folder: Path, card: str) -> None:
    # diffusers notes in its configs which folder a part was loaded from.
    for path in folder.rglob("*.json"):
        content = read_json(path)
        if isinstance(content, dict) and content.pop("_name_or_path", None) is not None:
            write_json(path, content)
    (folder / CARD_NAME).write_text(card, encoding="utf-8")


def fact_lines(facts: Mapping[str, object]) -> list[str]:
    """Return facts as a Markdown list."""
    return [f"- **{name}**: {without_places(str(value))}" for name, value in facts.items()]


def card_licence(folder: Path) -> str | None:
    """Return the licence that a folder's card names, if there is one."""
    card = folder / CARD_NAME
    found = (
        re.search(r"^license: *(\S+)", card.read_text(encoding="utf-8"), re.M)
        if card.is_file()
        else None
    )
    return found[1] if found else None


def card_body(folder: Path) -> str:
    """Return what a folder's card says beneath its title; empty without a card."""
    card = folder / CARD_NAME
    if not card.is_file():
        return ""
    return (
        re.sub(r"\A---\n.*?\n---\n", "", card.read_text(encoding="utf-8"), flags=re.S)
        .strip()
        .partition("\n")[2]
    )


def licence_of(unet_config: Mapping[str, Any]) -> str:
    """Return the licence that weights are under by where they came from.

    A U-Net of Stable Diffusion 1.5's size was made from its weights: nobody trains that from
    scratch here.  Anything else is trained by this project's own commands.
    """
    same = ("block_out_channels", "cross_attention_dim", "layers_per_block")
    theirs = all(
        list(value) == list(UNET_CONFIG[key])
        if isinstance(value, list | tuple)
        else (value == UNET_CONFIG[key])
        for key, value in ((key, unet_config.get(key)) for key in same)
    )
    return STABLE_DIFFUSION_LICENCE if theirs else OWN_LICENCE


def _head(title: str, licence: str, library: str) -> list[str]:
    return ["---", f"license: {licence}", f"library_name: {library}", "---", "", f"# {title}", ""]
