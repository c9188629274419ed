"""What a training would do: clips, frames, memory and time, before any of it is spent."""

from datetime import timedelta
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from diffmvr.data.datamodule import ClipDataModule
from diffmvr.evaluation.after_training import ScoringPlan
from diffmvr.plan import BENCH_FILE, Plan, bench_rows
from diffmvr.sweep_names import job_name
from diffmvr.training.memory_estimate import estimate_training
from diffmvr.training.module import DiffMVRModule
from diffmvr.training.trainer import check_accelerator, check_devices

# What `python -m benchmarks.run` measures, by the side of its frames in pixels.
BENCH_SIZES = {64: "tiny", 512: "sd15"}
LOG_FILES = {"csv": "metrics.csv", "wandb": "wandb/", "tensorboard": "tensorboard/"}


def training_plan(cfg: DictConfig) -> Plan:
    """Return what ``python -m diffmvr.train`` would do.

    Args:
        cfg: the composed ``conf/train.yaml``.

    Raises:
        ValueError: as the training would, if settings contradict each other.
        FileNotFoundError: if the base is missing.
    """
    check_accelerator(cfg.trainer)
    check_devices(cfg.trainer)
    datamodule: ClipDataModule = instantiate(cfg.data, _convert_="all")
    scoring = ScoringPlan.of(cfg.evaluation, job_name(cfg), datamodule)
    module: DiffMVRModule = instantiate(cfg.model, _convert_="all")
    side = cfg.data.source.get("size") or module.components.resolution
    module.components.check_side(side)

    devices = str(cfg.trainer.get("devices", 1))
    processes = int(devices) if devices.isdecimal() else 1
    accumulated = cfg.trainer.get("accumulate_grad_batches", 1)
    frames = cfg.data.batch_frames * processes * accumulated
    steps = cfg.trainer.get("max_steps", -1)
    counts = ", ".join(f"{name} {len(clips)}" for name, clips in datamodule.indices.items())
    total = steps * frames if steps > 0 else None
    on_gpu = cfg.trainer.get("accelerator") in ("gpu", "cuda")
    memory = estimate_training(
        module,
        cfg.data.batch_frames,
        max(cfg.data.batch_frames // cfg.data.window, 1),
        side,
        str(cfg.trainer.get("precision", "32-true")),
        "cuda" if on_gpu else "cpu",
        cfg.encodings is not None,
    )
    scored = "nothing is scored"
    if scoring is not None:
        names = ", ".join(one.name for one in scoring.restorers)
        scored = f"{len(scoring.indices)} clips, beside {names or 'nobody'}"
    speed = _measured(module, side, "cuda" if on_gpu else "cpu", cfg.encodings is not None)
    facts = {
        "data": datamodule.source.description,
        "clips": counts,
        "frames": f"{frames} of {side} × {side} in a step, "
        + (f"{total} in {steps} steps" if total else "as many as there is time for"),
        "scored": scored,
        "memory": f"{memory}, in each of {processes} process{'es' if processes > 1 else ''}",
        "time": _time(total, speed, processes),
    }
    files = [LOG_FILES[name] for name in cfg.logger if name in LOG_FILES]
    files += ["checkpoints/", "model/", "job.json", "run.json", "train.log", ".hydra/"]
    if OmegaConf.select(cfg, "callbacks.samples") is not None:
        files.append("samples/")
    if scoring is not None:
        files += ["table.md", "table.csv", "scores.parquet", "scores.csv"]
        files += ["restored.png", "restored.mp4"]
    return Plan(facts, Path(cfg.paths.output), sorted(files))


def _time(frames: int | None, speed: tuple[float, str] | None, processes: int) -> str:
    if frames is None:
        return "until trainer.max_time or max_epochs"
    if speed is None:
        return f"unknown: `make bench` measures this machine ({BENCH_FILE})"
    per_second, how = speed
    needed = timedelta(seconds=round(frames / per_second / processes))
    return f"about {needed} of steps ({how}), without validations and scoring"


def _measured(
    module: DiffMVRModule, side: int, device: str, encoded: bool
) -> tuple[float, str] | None:
    """Return the frames/s of a step like this one that this machine has been measured with."""
    wanted = {"device": device, "size": BENCH_SIZES.get(side), "pathway": module.guide.pathway}
    for row in bench_rows("training"):
        if all(row.get(key) == value for key, value in wanted.items()):
            name = "images_per_second_from_cache" if encoded else "images_per_second"
            return float(row[name]), f"{row[name]:.1f} frames/s in {BENCH_FILE}"
    return None
