"""Calibrate doubt on people whose truth is known, and show how it does on others.

    DIFFMVR_SHARED=FOLDER python experiments/calibrate_doubt.py
    … --people faces=9 grid=7 london_test=15 rendered=60     # how many of each at most
    … --study                                               # only evaluate the cases that there are
    … --resplits                                            # only split the rendered people again
    … --groups                                              # only group what was measured

FOLDER holds data/faces, data/grid (talking people) and data/london (people photographed twice).
Something is drawn over their faces, ``restore``'s own walk restores them, and the errors of drawn
pixels are kept beside what was known of them beforehand (``doubt_cases.py``); cases that are there
are not made again.  What ships is calibrated on the talking people alone (``--calibrate``): clips
that are made of two pictures, and rendered people, move and look otherwise than a recording.

Nobody is tested by a calibration that he or she had a part in: each talking person by one on all
the others; London's people, who have no part in what ships, by that, and each by one on the
others; half of the rendered people by one on the other half.  Tables and pictures go to
``--output``.
"""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from doubt_cases import make_cases
from doubt_groups import by_trait, describe, groups_markdown
from doubt_study import (
    KEPT,
    LEVEL,
    Tested,
    by_circumstance,
    by_person,
    examine,
    leave_one_out,
    over_people,
    resplits,
    risk_rows,
)

from diffmvr.cli import run_cli
from diffmvr.config import weights_dir
from diffmvr.doubt.conformal import largest_level
from diffmvr.doubt.fitting import Witness, fit
from diffmvr.doubt.judge import SHIPPED
from diffmvr.doubt.model import DoubtModel
from diffmvr.files import write_json, write_text
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.reporting.canvas import new_axes, save_figure
from diffmvr.restoration.opening import DEFAULT_MODEL
from diffmvr.runs.hashes import hash_weights

log = logging.getLogger("calibrate_doubt")

PEOPLE = {"faces": 9, "grid": 7, "london_test": 15, "rendered": 60}
TALKING = ("faces", "grid")
COMMAND = "python experiments/calibrate_doubt.py"

FITTED, LEAST_SPLIT = 12, 20
"""So many rendered people give the weights by which the others are split, at least so many."""

GOOD = (0.88, 0.93)


def read_witnesses(folder: Path, sources: Sequence[str]) -> list[Witness]:
    """Return the people of the cases that there are; cases of one person are one witness."""
    witnesses = []
    for source in sources:
        for path in sorted((folder / source).glob("*.npz")):
            with np.load(path) as case:
                frames = case["frames"]
                witnesses.append(
                    Witness(
                        person=f"{source}/{case['person']}",
                        source=source,
                        features=case["features"],
                        errors=case["errors"],
                        frame=case["frame"],
                        frame_error=np.maximum(frames[:, 1], 1e-3),
                        hidden_share=frames[:, 3],
                        age=frames[:, 4],
                        expression_error=frames[:, 5],
                    )
                )
    return witnesses


def spent(folder: Path) -> dict[str, float]:
    """Return CPU seconds of all cases: restoring, and judging as a part of that."""
    total = np.zeros(2)
    for path in sorted(folder.glob("*/*.npz")):
        with np.load(path) as case:
            total += case["seconds"]
    whole, judging = map(float, total)
    return {
        "restoring_cpu_seconds": round(whole, 1),
        "of_that_features": round(judging, 2),
        "share": round(judging / max(whole - judging, 1e-9), 4),
    }


def study(
    talking: Sequence[Witness],
    london: Sequence[Witness],
    rendered: Sequence[Witness],
    model: DoubtModel,
    output: Path,
) -> dict[str, object]:
    """Write every table and picture, and return what is to be read first."""
    groups: dict[str, list[Tested]] = {"talking people": leave_one_out(talking)}
    if london:
        groups["London, by what ships"] = [examine(one, talking, model) for one in london]
    if largest_level(len(london) - 1) >= LEVEL:
        groups["London, by the others"] = leave_one_out(london)
    facts: dict[str, object] = {"level": LEVEL}
    if len(rendered) >= FITTED + LEAST_SPLIT:
        facts["resplits"], groups["rendered people"] = split_rendered(rendered, output)
    people = pl.concat([by_person(tested, name) for name, tested in groups.items()])
    people.write_csv(output / "people.csv")
    means = over_people(people)
    means.write_csv(output / "coverage.csv")
    over_people(people, ("group", "source", "method")).write_csv(output / "coverage_source.csv")
    circumstances = [by_circumstance(tested, name) for name, tested in groups.items()]
    pl.concat(circumstances).write_csv(output / "circumstances.csv")
    risks = pl.concat([risk_rows(tested, name) for name, tested in groups.items()])
    risks.write_csv(output / "risk.csv")
    draw_risk(risks, output / "risk.png")
    facts["error_falls_at_80_percent_kept"] = {
        name: round(_falls(risks.filter(pl.col("group") == name)), 3) for name in groups
    }
    write_text(output / "coverage.md", _markdown(means))
    return facts


def split_rendered(
    rendered: Sequence[Witness], output: Path
) -> tuple[dict[str, object], list[Tested]]:
    """Calibrate on one half of the rendered people and cover the other, again and again.

    Returns:
        What came of it, also written, and one half tested by the other.
    """
    rest = rendered[FITTED:]
    half = len(rest) // 2
    splits = resplits(rest, fit(rendered[:FITTED]))
    splits.write_csv(output / "resplits.csv")
    share = f"share_in_{GOOD[0]}_to_{GOOD[1]}"
    facts: dict[str, object] = {"of": len(rest), "splits": len(splits), "level": LEVEL}
    for name in ("people", "guaranteed", "pixels"):
        found = splits[name]
        facts[name] = {
            "mean_coverage": round(float(found.to_numpy().mean()), 4),
            share: round(float(found.is_between(*GOOD).to_numpy().mean()), 4),
        }
    write_json(output / "resplits.json", facts)
    model = fit(rendered[:FITTED], rest[:half])
    return facts, [examine(one, rest[:half], model) for one in rest[half:]]


def group(shared: Path, output: Path) -> None:
    """Write what was measured of people by who they are, and in which circumstances.

    Args:
        shared: the folder that holds ``data`` and ``models``.
        output: holds ``people.csv`` and ``circumstances.csv`` already.

    Raises:
        FileNotFoundError: if a table is missing.
        ValueError: if there is no landmarker.
    """
    bundle = find_landmarker_bundle(None)
    if bundle is None:
        raise ValueError(f"{SHARED_VARIABLE}: expected models/face_landmarker.task in it, got none")
    people = pl.read_csv(output / "people.csv")
    landmarker = FaceLandmarker(bundle, video=False)
    traits = describe(shared, people["person"].unique(maintain_order=True).to_list(), landmarker)
    landmarker.close()
    grouped = by_trait(people, traits)
    grouped.write_csv(output / "groups.csv")
    circumstances = pl.read_csv(output / "circumstances.csv")
    write_text(output / "groups.md", groups_markdown(grouped, circumstances))


def _falls(risks: pl.DataFrame) -> float:
    """Return by what share the mean error falls where a fifth of the frames is left out."""
    ours = risks.filter(pl.col("kept by") == "expected error")
    kept, error = ours["kept"].to_numpy(), ours["mean_error"].to_numpy()
    return float(1 - error[np.argmin(abs(kept - 0.8))] / error[np.argmin(abs(kept - 1.0))])


def _markdown(means: pl.DataFrame) -> str:
    """Return the coverage table."""
    lines = [
        "| People | Intervals | N | Coverage ± s.e. | Least of a person | Mean half width | "
        "Mean error | Frames covered | Expressions covered |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in means.iter_rows(named=True):
        framed = expression = ""
        if row["method"] == "calibrated":
            framed = f"{row['frame_coverage']:.3f}"
            if row["expression_coverage"] is not None:
                expression = f"{row['expression_coverage']:.3f}"
        error = row["standard_error"]
        reach = "" if error is None else f" ± {error:.3f}"
        lines.append(
            f"| {row['group']} | {row['method']} | {row['people']} | {row['coverage']:.3f}"
            f"{reach} | {row['least']:.3f} | {row['half_width']:.1f} | "
            f"{row['mean_error']:.1f} | {framed} | {expression} |"
        )
    note = (
        f"Promised {LEVEL:.2f}. Shares of hidden values, first of each person, then the mean over "
        "people who had no part in the calibration; half widths and errors in grey levels."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def draw_risk(risks: pl.DataFrame, path: Path) -> Path:
    """Draw the mean error of the frames that are kept, one part a group."""
    groups = risks["group"].unique(maintain_order=True).to_list()
    figure, axes = new_axes(1, len(groups), (1.0 + 4.2 * len(groups), 3.8))
    for axis, group in zip(axes.flat, groups, strict=True):
        rows = risks.filter(pl.col("group") == group)
        for name in rows["kept by"].unique(maintain_order=True).to_list():
            own = rows.filter(pl.col("kept by") == name)
            style = ":" if "bound" in name else "-"
            width = 2.4 if name == "expected error" else 1.2
            axis.plot(100 * KEPT, own["mean_error"], style, linewidth=width, label=name)
        axis.set_title(group, fontsize=10)
        axis.set_xlabel("frames kept, %")
        axis.set_ylabel("mean error of kept frames (RMS, grey levels)")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=8)
    return save_figure(figure, path)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--people",
        nargs="+",
        default=[f"{name}={count}" for name, count in PEOPLE.items()],
        metavar="SOURCE=N",
        help=f"how many of each source at most ({', '.join(PEOPLE)})",
    )
    parser.add_argument("--study", action="store_true", help="make no cases, use those there are")
    parser.add_argument("--resplits", action="store_true", help="only split the rendered people")
    parser.add_argument("--groups", action="store_true", help="only group what was measured")
    parser.add_argument("--weights", type=Path, default=weights_dir() / DEFAULT_MODEL)
    parser.add_argument("--calibrate", type=Path, default=SHIPPED, help="the file to write")
    parser.add_argument("--cases", type=Path, default=Path("outputs/doubt/cases"))
    parser.add_argument("--output", type=Path, default=Path("experiments/results/doubt"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    return parser.parse_args(words)


def counts_of(entries: Sequence[str]) -> Mapping[str, int]:
    """Return how many people of each source are wanted.

    Raises:
        ValueError: if an entry is no SOURCE=N of a known source.
    """
    counts = {}
    for entry in entries:
        name, _, count = entry.partition("=")
        if name not in PEOPLE or not count.isdigit():
            raise ValueError(
                f"--people: expected SOURCE=N with one of {', '.join(PEOPLE)}, got {entry!r}"
            )
        counts[name] = int(count)
    return counts


@run_cli
def main() -> None:
    """Make cases, calibrate, and study."""
    arguments = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    counts = counts_of(arguments.people)
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared and (arguments.groups or not arguments.study):
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder that holds data, got none")
    if arguments.groups:
        group(Path(str(shared)), arguments.output)
        return
    if not arguments.study:
        make_cases(Path(str(shared)), arguments.cases, counts, arguments.weights)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.resplits:
        found, _ = split_rendered(read_witnesses(arguments.cases, ["rendered"]), arguments.output)
        log.info("%s", found)
        return
    talking = read_witnesses(arguments.cases, TALKING)
    london = read_witnesses(arguments.cases, ["london_test"])
    rendered = read_witnesses(arguments.cases, ["rendered"])
    model = fit(
        talking,
        weights_sha256=hash_weights(arguments.weights),
        made_by=COMMAND,
    )
    model.write(arguments.calibrate)
    facts = study(talking, london, rendered, model, arguments.output)
    facts["people"] = {
        "talking": [one.person for one in talking],
        "london": [one.person for one in london],
        "rendered": len(rendered),
    }
    facts["cost"] = spent(arguments.cases)
    write_json(arguments.output / "facts.json", facts)
    if shared:
        group(Path(shared), arguments.output)
    log.info("%s", (arguments.output / "coverage.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
