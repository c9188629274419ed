"""Do the paper's claims hold on real skin?  Scores the six experiments on London's test people.

    DIFFMVR_SHARED=FOLDER bash experiments/portraits_ablation.sh   # trains them, and calls this
    … python experiments/portraits_ablation.py --runs outputs/portraits_ablation/six

The clips are ``data=portraits`` of the fifteen people whom nobody trains with.  *Changed* are
hidden frames whose smile differs by more than ``CHANGED`` from that of the newest clear frame:
whoever shows that frame's face again is wrong in them.  Writes the rows, ``table`` (intervals by
person), ``verdicts`` and ``facts.json`` (what was trained, and how long).  A picture goes to
``--pictures``, which stays outside the repository.
"""

import argparse
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from guide_use import CHANGED
from numpy.typing import NDArray
from real_faces_rows import COLUMNS, SEED, scored

from diffmvr.baselines import get_restorer
from diffmvr.cli import run_cli
from diffmvr.data.portraits import PortraitClip, PortraitClips
from diffmvr.evaluation.benchmark import save_table
from diffmvr.evaluation.real_face_scores import RealFaceScorer
from diffmvr.files import write_json
from diffmvr.landmarker_bundle import SHARED_VARIABLE
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.reporting import comparison_table, image_grid, rows_frame, save_png, save_rows
from diffmvr.reporting.differences import Entry, Study
from diffmvr.reporting.run_collection import Collection
from diffmvr.reporting.tables import Column
from diffmvr.reporting.verdicts import Claim, try_claim, verdicts_csv, verdicts_markdown
from diffmvr.run_record import load_run_record
from diffmvr.structures import CLEAR_THRESHOLD, Restorer, UInt8Array

log = logging.getLogger("portraits_ablation")

SIX = ("baseline", "motion", "symmetric_motion", "present_motion", "dual", "dual_motion")
FLOOR = ("telea", "past_guide")
REFERENCE = "dual_motion"
MASK = "segmentation"
SHOWN = 8
"""Clips in the picture."""

OF_CHANGED = (
    Column("psnr_hole_changed", "PSNR hole, changed", True),
    Column("blendshape_error_smile", "Blendshape error, smile changed", False, 4),
)
BY_METRIC = {column.metric: column for column in (*COLUMNS, *OF_CHANGED)}
DECIDING = tuple(BY_METRIC[name] for name in ("psnr_hole", "blendshape_error"))
STEADINESS = tuple(BY_METRIC[name] for name in ("tc_hole_diff", "warp_error_hole"))
PAIRS = {
    "Both guides are better than the mirrored frame alone": [("dual_motion", "symmetric_motion")],
    "Both guides are better than the past frame alone": [
        ("dual_motion", "motion"),
        ("dual", "baseline"),
    ],
    "Both guides are better than the present frame alone": [("dual_motion", "present_motion")],
}
MOTION = [("dual_motion", "dual"), ("motion", "baseline")]


def claims() -> list[Claim]:
    """Return the paper's claims (Tables 3 and 4), of all hidden frames and of the changed."""
    found = [
        Claim(f"{text}{when}.", _entries(pairs), columns)
        for text, pairs in PAIRS.items()
        for when, columns in (("", DECIDING), (", where the smile has changed", OF_CHANGED))
    ]
    return [
        *found,
        Claim("The motion loss brings the motion nearer.", _entries(MOTION), STEADINESS),
        Claim("The motion loss does not cost fidelity.", _entries(MOTION), DECIDING, OF_CHANGED),
    ]


def find_runs(folder: Path) -> dict[str, Path]:
    """Return the runs of the six experiments by name.

    Raises:
        FileNotFoundError: naming those that have not finished.
    """
    runs = {name: folder / name / MASK / f"seed{SEED}" for name in SIX}
    absent = [name for name, run in runs.items() if not (run / "run.json").is_file()]
    if absent:
        raise FileNotFoundError(
            f"--runs: expected six finished runs in {folder}, lacking {', '.join(absent)}; "
            "train them with experiments/portraits_ablation.sh"
        )
    return runs


def load_run(name: str, run: Path) -> Restorer:
    """Return a trained model as a restorer."""
    pipeline = DiffMVRPipeline.from_pretrained(run / "model")
    guides = AutomaticGuides(pipeline.guide_kinds, past=pipeline.guide.past)
    return CropRestorer(pipeline, guides, seed=SEED, name=name)


def changed_frames(clip: PortraitClip) -> NDArray[np.int64]:
    """Return the hidden frames whose smile is another than the newest clear frame's."""
    share = occluded_share(clip.mask, clip.track.face_box)
    past = past_clear_index(share, CLEAR_THRESHOLD)
    smile = np.asarray(clip.smile)
    other = np.abs(smile - smile[past]) > CHANGED
    return np.flatnonzero((share > CLEAR_THRESHOLD) & (past >= 0) & other)


def score_clips(
    clips: Iterable[PortraitClip], restorers: Mapping[str, Restorer]
) -> tuple[pl.DataFrame, int, list[tuple[str, UInt8Array]]]:
    """Return a row a clip and restorer, how many frames have changed, and a row of each picture."""
    faces = RealFaceScorer.from_bundle()
    rows: list[dict[str, Any]] = []
    pictures: list[tuple[str, UInt8Array]] = []
    count = 0
    for clip in clips:
        changed = changed_frames(clip)
        count += len(changed)
        # The most hidden of the changed frames is shown.
        size = clip.mask.sum(axis=(1, 2))
        shown = int(max(changed, key=size.__getitem__, default=size.argmax()))
        line = [np.asarray(clip.frames)[shown], clip.observed[shown]]
        for name, restorer in restorers.items():
            begun = time.monotonic()
            restored = restorer.restore(clip)
            seconds = (time.monotonic() - begun) / len(clip)
            (row,), frames = scored(clip, restored, name, MASK, faces, seconds, len(clip))
            own = frames.filter(pl.col("frame").is_in(changed.tolist()))
            row["psnr_hole_changed"] = _mean(own["psnr_hole"])
            row["blendshape_error_smile"] = _mean(own["blendshape_error"])
            rows.append(row)
            line.append(restored[shown])
        pictures.append((clip.clip_id, np.stack(line)))
    return rows_frame(rows), count, pictures


def write_results(rows: pl.DataFrame, changed: int, runs: Mapping[str, Path], output: Path) -> None:
    """Write everything but the picture."""
    output.mkdir(parents=True, exist_ok=True)
    save_rows(rows, output / "scores")
    columns = (*COLUMNS, *OF_CHANGED)
    save_table(comparison_table(rows, columns=columns, reference=REFERENCE), output)
    study = Study(Collection((), rows, None, {}))
    trials = [try_claim(study, claim) for claim in claims()]
    (output / "verdicts.md").write_text(verdicts_markdown(trials, {}), encoding="utf-8")
    (output / "verdicts.csv").write_text(verdicts_csv(trials), encoding="utf-8")
    records = {name: load_run_record(run) for name, run in runs.items()}
    facts = {
        "seed": SEED,
        "test_people": rows["subject_id"].n_unique(),
        "test_clips": rows["clip_id"].n_unique(),
        "changed_frames": changed,
        "steps": sorted({record.steps for record in records.values()}),
        "frames_a_step": sorted(
            {record.settings["data.batch_frames"] for record in records.values()}
        ),
        "commands": {name: record.command for name, record in records.items()},
        "weights": {name: record.weights_hash for name, record in records.items()},
        "seconds": {name: record.seconds for name, record in records.items()},
    }
    write_json(output / "facts.json", facts)


def _entries(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[Entry, Entry], ...]:
    return tuple((Entry(first, MASK), Entry(second, MASK)) for first, second in pairs)


def _mean(scores: pl.Series) -> float:
    value = scores.mean()
    return float("nan") if value is None else float(value)


@run_cli
def main() -> None:
    """Score the runs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the six runs")
    parser.add_argument("--clips", type=int, default=2, help="clips of each person (2)")
    parser.add_argument("--limit", type=int, help="clips in all")
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/results/portraits_ablation")
    )
    parser.add_argument("--pictures", type=Path, default=Path("outputs/portraits_ablation"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        raise ValueError(f"{SHARED_VARIABLE}: expected the folder that holds data/london, got none")
    torch.set_num_threads(1)
    runs = find_runs(arguments.runs)
    restorers: dict[str, Restorer] = {name: get_restorer(name) for name in FLOOR}
    restorers |= {name: load_run(name, run) for name, run in runs.items()}
    source = PortraitClips(
        Path(shared) / "data" / "london", clips_per_subject=arguments.clips, people="test"
    )
    indices = range(len(source))[: arguments.limit]
    rows, changed, pictures = score_clips((source[index] for index in indices), restorers)
    write_results(rows, changed, runs, arguments.output)
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    names = ["truth", "observed", *restorers]
    sheet = image_grid(pictures[:SHOWN], upscale=2, column_labels=names)
    save_png(sheet, arguments.pictures / "sheet.png")


if __name__ == "__main__":
    main()
