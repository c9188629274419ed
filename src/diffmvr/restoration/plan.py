"""What a restoration would do: frames, model, what finds the faces, time, files."""

from datetime import timedelta
from pathlib import Path

from omegaconf import DictConfig

from diffmvr.landmarker_bundle import find_landmarker_bundle
from diffmvr.models.base_checkpoint import read_trained_side
from diffmvr.parsing import user_path
from diffmvr.plan import BENCH_FILE, Plan, bench_rows
from diffmvr.restoration.cohort import find_cohort
from diffmvr.restoration.doubt_page import PAGE, TIMELINE
from diffmvr.restoration.opening import chosen_model, open_given_masks, open_recording
from diffmvr.restoration.settings import RestoreSettings

RESULTS = {"mp4": "restored.mp4", "ffv1": "restored.mkv", "png": "frames/00000.png"}


def restoration_plan(config: DictConfig) -> Plan:
    """Return what ``python -m diffmvr.restore`` would do.

    Args:
        config: the composed ``conf/restore/restore.yaml``.

    Raises:
        ValueError: as the restoration would, if an input or a setting cannot be used.
        FileNotFoundError: if an input is missing.
    """
    settings = RestoreSettings.from_config(config)
    members = find_cohort(user_path(settings.input), settings.mask)
    files = ["report.json", "manifest.json", "seal.json", RESULTS[settings.format]]
    files += ["concat.mp4", "contact_sheet.png"] if settings.concat else []
    files += ["doubt.mp4", TIMELINE, PAGE] if settings.overlay is not None else []
    if members is None:
        frames = open_recording(settings)
        masks = open_given_masks(settings, frames)
        count = frames.info.frame_count
        facts = {
            "recording": f"{frames.info.name}, {frames.info.size}, "
            f"{float(frames.info.frame_rate):g} frames a second",
            "frames": "as many as there are; the file does not say"
            if count is None
            else str(count),
            "masks": f"found by {settings.detect}" if masks is None else masks.path.name,
        }
        longest = max(frames.info.width, frames.info.height)
        time = _time(count, longest)
    else:
        given = sum(member.mask is not None for member in members)
        facts = {
            "recordings": str(len(members)),
            "frames": "not counted: each recording is opened when its turn comes",
            "masks": f"given for {given}, found by {settings.detect} for the others",
        }
        files = [f"NAME/{name}" for name in files] + ["cohort.csv"]
        time = "unknown: plan=true of one recording tells its own"
    bundle = find_landmarker_bundle(settings.landmarker)
    facts |= {
        "landmarks": "none" if bundle is None else bundle.name,
        "model": _model(user_path(chosen_model(settings))),
        "memory": f"not estimated; it grows with window={settings.window} and the frames' size, "
        f"not with the length; at most {settings.keep_mib} MiB on disk meanwhile",
        "time": time,
    }
    return Plan(facts, user_path(settings.output), files)


def _model(folder: Path) -> str:
    """Tell a model on this machine; nothing is fetched for a plan."""
    if not folder.is_dir():
        return f"{folder}, which is looked for in the hub's cache, and fetched if it is not there"
    inner = folder / "model" if (folder / "model").is_dir() else folder
    size = sum(file.stat().st_size for file in inner.rglob("*.safetensors"))
    side = read_trained_side(inner)
    return f"{folder.name}, made for crops of {side} × {side}, {size / 2**20:.0f} MiB of weights"


def _time(frames: int | None, longest: int) -> str:
    unknown = f"unknown: `make bench` measures this machine ({BENCH_FILE})"
    rows = [row for row in bench_rows("restoring") if "frames_per_second_without_start" in row]
    if frames is None or not rows:
        return unknown
    nearest = min(rows, key=lambda row: abs(row["pixels"] - longest))
    speed = nearest["frames_per_second_without_start"]["median"]
    needed = timedelta(seconds=round(frames / speed))
    measured = f"{speed:.1f} frames/s at {nearest['pixels']} pixels in {BENCH_FILE}"
    return f"about {needed} and the start ({measured})"
