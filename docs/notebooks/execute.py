"""Execute the notebooks of the documentation anew and keep what they show.

    make notebooks
    python docs/notebooks/execute.py restore_and_judge

Each runs in an empty folder of its own, on one thread, without the files that the environment may
name, and is written back whole or not at all.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from diffmvr.landmarker_bundle import BUNDLE_VARIABLE, SHARED_VARIABLE

HERE = Path(__file__).parent
LONGEST = 3600
"""Seconds that one cell may take."""


def execute(path: Path) -> None:
    """Execute a notebook and write it back, without times and without where it ran."""
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as place:
        client = NotebookClient(
            notebook,
            timeout=LONGEST,
            resources={"metadata": {"path": place}},
            record_timing=False,
        )
        client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # Of a picture that is there twice the smaller one is kept.
            if {"image/jpeg", "image/png"} <= output.get("data", {}).keys():
                del output["data"]["image/png"]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    text = nbformat.writes(notebook).rstrip() + "\n"
    told = [folder for folder in (place, sys.prefix, str(Path.home())) if folder in text]
    if told:
        raise ValueError(f"{path.name}: its output names folders of this machine: {told}")
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def main() -> None:
    """Execute those that are named, or all."""
    names = sorted(path.stem for path in HERE.glob("*.ipynb"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *names], help="which; all by default")
    chosen = parser.parse_args().names or names
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    for variable in (SHARED_VARIABLE, BUNDLE_VARIABLE):
        os.environ.pop(variable, None)
    for name in chosen:
        print(name)
        execute(HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
