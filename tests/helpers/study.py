"""A study as its runs leave it, with numbers that are known beforehand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from diffmvr.files import write_json
from diffmvr.reporting.distance_rows import distances_frame, save_distances
from diffmvr.reporting.frame_rows import frames_frame, save_frames
from diffmvr.reporting.rows import rows_frame, save_rows
from diffmvr.run_record import RunRecord, save_run_record

SUBJECTS = 12
REPLICATES = 50
# What each restorer's scores are moved by, in units of the spread over subjects.
EXPERIMENTS = {
    "baseline": 0.0,
    "dual": 1.0,
    "motion": 1.0,
    "dual_motion": 2.0,
    "symmetric_motion": -1.0,
    "present_motion": -2.0,
}
FLOOR = {"telea": -3.0, "flow": 3.0, "autoencoder (bound)": 6.0}
# score: value of the baseline, spread over subjects, whether larger is better.
SCORES = {
    "ssim": (0.90, 0.01, True),
    "tc": (0.010, 0.001, False),
    "tc_gt": (0.009, 0.001, False),
    "tc_diff": (0.002, 0.0002, False),
    "psnr_hole": (20.0, 1.0, True),
    "ssim_hole": (0.50, 0.05, True),
    "fd_clip_tiny_video": (30.0, 2.0, False),
}
EXTRACTOR = "clip_tiny"
DIGEST = "abcdef0123456789"


def score(name: str, lift: float, subject: int, seed: int) -> float:
    """The same subject is as hard for everybody, so differences are ``lift`` alone."""
    if name == "tc_gt":
        lift = 0.0
    base, spread, better = SCORES[name]
    hardness = np.random.default_rng(subject).normal()
    return base + spread * ((lift if better else -lift) + hardness + 0.01 * seed)


def write_run(
    folder: Path,
    name: str,
    restorers: Mapping[str, float],
    *,
    mask_type: str = "segmentation",
    seed: int = 0,
    kind: str = "train",
    settings: Mapping[str, Any] | None = None,
    missing: Mapping[str, str] | None = None,
    digest: str = DIGEST,
    seeded: bool = True,
    frames: bool = False,
    sweep: str = "",
) -> Path:
    """Write one finished run."""
    rows, distances, single = [], [], []
    length = 4
    easier = 0.5 if mask_type == "segmentation" else 0.0
    for restorer, lift in restorers.items():
        keys = {"restorer": restorer, "seed": seed, "mask_type": mask_type}
        conditions = {**keys, "resolution": 64, "clip_length": length}
        noise = seed if seeded else 0
        for subject in range(SUBJECTS):
            person = {"clip_id": f"c{subject:02d}", "subject_id": f"s{subject:02d}"}
            values = {n: score(n, lift + easier, subject, noise) for n in SCORES}
            rows.append({**conditions, **person, **values})
            single += [
                {
                    **keys,
                    **person,
                    "frame": frame,
                    "hidden_share": 0.05 + 0.2 * frame,
                    "past_age": 1 + frame if frame else None,
                    "psnr_hole": values["psnr_hole"] - frame,
                    "ssim_hole": values["ssim_hole"],
                }
                for frame in range(length)
            ]
        for distance in ("fd_clip_tiny", "fvd_clip_tiny"):
            value = 50.0 - 2.0 * lift + 0.1 * noise
            replicates = value + np.random.default_rng(5).normal(size=REPLICATES)
            distances.append(
                {
                    **conditions,
                    "distance": distance,
                    "pooling": "pooled",
                    "extractor": EXTRACTOR,
                    "weight_hash": digest,
                    "n_samples": SUBJECTS,
                    "n_subjects": SUBJECTS,
                    "value": value,
                    "replicates": replicates.tolist(),
                }
            )
    save_rows(rows_frame(rows), folder / "scores")
    save_distances(distances_frame(distances), folder)
    if frames:
        save_frames(frames_frame(single), folder)
    if missing:
        write_json(folder / "missing.json", dict(missing))
    if kind == "train":
        logged = {"step": [10, 20, 30], "epoch": [0] * 3, "train/loss_denoising": [3.0, 2.0, 1.0]}
        pl.DataFrame(logged).write_csv(folder / "metrics.csv")
    record = RunRecord(kind, name, seed, mask_type, settings=settings or {}, sweep=sweep)
    save_run_record(record, folder)
    return folder


def write_study(
    folder: Path, seeds: int = 2, masks: tuple[str, ...] = ("segmentation", "bbox")
) -> Path:
    """Write the six experiments and the floor."""
    for mask in masks:
        for seed in range(seeds):
            for name, lift in EXPERIMENTS.items():
                run = folder / "six" / name / mask / f"seed{seed}"
                write_run(run, name, {name: lift}, mask_type=mask, seed=seed)
        write_run(
            folder / "table1_2" / mask,
            "evaluate",
            {"diffmvr": 4.0, **FLOOR},
            mask_type=mask,
            kind="evaluate",
            missing={"lama": "weights not present: big-lama.pt; fetch it"},
            frames=True,
        )
    return folder


def write_sweeps(folder: Path) -> Path:
    """Write a sweep of λ for both references, and one of sampling steps."""
    for reference in ("zero", "target"):
        for weight in (0.0, 0.1, 1.0):
            settings = {"loss.motion.weight": weight, "loss.motion.reference": reference}
            run = folder / "lambda" / reference / str(weight)
            write_run(run, "lambda", {"lambda": weight}, settings=settings)
    for steps in (1, 4):
        settings = {"num_inference_steps": steps}
        run = folder / "steps" / str(steps)
        write_run(run, "steps", {"diffmvr": -steps / 4}, kind="evaluate", settings=settings)
    return folder
