"""A model card beside every weights file: what made it, from what, and how good it is."""

from collections.abc import Mapping
from pathlib import Path


def write_model_card(
    folder: Path, title: str, facts: Mapping[str, object], scores: Mapping[str, float]
) -> None:
    """Write ``README.md`` into a weights folder.

    Args:
        folder: the weights folder.
        title: what the weights are.
        facts: command, seed, data, steps, minutes, …
        scores: measured values, with the data they were measured on in the name; may be empty.
    """
    lines = ["---", "license: apache-2.0", "library_name: diffusers", "---", "", f"# {title}", ""]
    lines += [f"- **{name}**: {value}" for name, value in facts.items()]
    if scores:
        lines += ["", "| score | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in scores.items()]
    (folder / "README.md").write_text("\n".join(lines) + "\n")
