"""A model card beside every weights file: what made it, from what, and how good it is."""

from collections.abc import Mapping
from pathlib import Path


def write_model_card(
    folder: Path,
    title: str,
    facts: Mapping[str, object],
    scores: Mapping[str, float],
    licence: str = "apache-2.0",
    library: str = "diffusers",
) -> None:
    """Write ``README.md`` into a weights folder.

    Args:
        folder: the weights folder.
        title: what the weights are.
        facts: command, seed, data, steps, minutes, …
        scores: measured values, with the data they were measured on in the name; may be empty.
        licence: of the weights, by the name that model hubs use.
        library: what loads them.
    """
    lines = ["---", f"license: {licence}", f"library_name: {library}", "---", "", f"# {title}", ""]
    lines += [f"- **{name}**: {value}" for name, value in facts.items()]
    if scores:
        lines += ["", "| score | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in scores.items()]
    (folder / "README.md").write_text("\n".join(lines) + "\n")
