"""Kill a training run again and again, and damage its checkpoints: does it ever show in the result?

    python experiments/resume_trials.py [--kills 100] [--corruptions 500] [--output FILE]

*Kills.*  A run of ``python -m diffmvr.train ledger=true`` is sent SIGKILL at random moments, given
again after each, and at its end compared with a run that nobody killed: weights, average,
optimizer, schedule and counters of the last step's checkpoint, the trained model, and every loss of
training and validation, bit for bit.  Some of the kills wait until a checkpoint is being written.
Imports are done once; every life of a run is a fork of this process.

*Corruptions.*  Bits of its real checkpoints are flipped, or their ends cut off, at random places.
Each damaged file must be refused, and the run's folder must give the one before it instead.
"""

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from diffmvr.cache import cache
from diffmvr.config import config_dir
from diffmvr.files import write_json
from diffmvr.run_record import load_run_record
from diffmvr.runs.checkpoint_io import (
    HALF_WRITTEN,
    DamagedCheckpointError,
    VerifiedCheckpointIO,
    newest_checkpoint,
    read_checkpoint,
)
from diffmvr.runs.facts import machine
from diffmvr.train import train

LOSSES = "losses.jsonl"
SMALL = [
    *("data.source.subjects=36", "data.source.clips_per_subject=1", "data.source.num_frames=4"),
    *("data.window=2", "data.batch_frames=4", "preprocessing.align_past=similarity", "threads=1"),
]
RUN = [
    # The parts of model=tiny, with less of a U-Net.
    *("model=tiny_scratch", "model.components.unet.block_out_channels=[32,32]"),
    "model.components.unet.cross_attention_dim=32",
    *("experiment=dual_motion", "ledger=true", "evaluation.restorers=null", "data.val_clips=1"),
    *("trainer.val_check_interval=3", "+trainer.enable_progress_bar=false"),
    *("callbacks=[default,interval]", "callbacks.interval.minutes=null"),
    *("callbacks.interval.steps=2", "callbacks.samples=null", "callbacks.progress=null"),
    "+callbacks.losses._target_=__main__.LossLines",
    f"+callbacks.losses.path=${{paths.output}}/{LOSSES}",
    "logger=csv",
]
LOG = "lives.log"
LAST_WORDS = 30
# Of the kills, those that wait for a checkpoint to be written.
AIMED_SHARE = 0.4
# How often a life is looked at, in seconds: before it is time, and then.
LOOK, LOOK_CLOSELY = 0.02, 0.001
TICKS = os.sysconf("SC_CLK_TCK")
NOT_COMPARED = ("dirpath", "best_model_path", "kth_best_model_path", "last_model_path")


class LossLines(L.Callback):
    """Writes every loss down at once and exactly, before anything else is done after the batch.

    Args:
        path: where to.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def on_train_batch_end(self, trainer: L.Trainer, *_args: Any, **_kwargs: Any) -> None:
        """Write what the batch gave."""
        self._write(trainer, "train/")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what the validation gave."""
        self._write(trainer, "val/")

    def _write(self, trainer: L.Trainer, kind: str) -> None:
        metrics = {
            name: value.item().hex()
            for name, value in trainer.callback_metrics.items()
            if name.startswith(f"{kind}loss")
        }
        with open(self._path, "a") as file:  # noqa: PTH123
            file.write(json.dumps({"step": trainer.global_step, **metrics}) + "\n")


def composed(name: str, *overrides: str) -> DictConfig:
    """Compose a configuration."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(name, [*SMALL, *overrides])


def start(function: Callable[..., object], *args: Any, log: Path) -> int:
    """Call a function in a fork of this process, which says its words in a file."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with log.open("a") as words:
            os.dup2(words.fileno(), 1)
            os.dup2(words.fileno(), 2)
            logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
            torch.set_num_threads(1)
            function(*args)
        code = 0
    except BaseException:
        logging.exception("a life ended")
    finally:
        logging.shutdown()
        os._exit(code)


def processor_seconds(process: int) -> float:
    """Return how much of a processor's time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def live(cfg: DictConfig, output: Path, after: float | None, aimed: bool) -> tuple[str, float]:
    """Let a run live, and kill it.

    Args:
        cfg: of the run.
        output: its folder.
        after: processor seconds until the kill; None lets it live to its end.
        aimed: wait from then on for a checkpoint that is being written.

    Returns:
        How it ended ("finished", "killed", "killed while writing"), and its processor seconds.
    """
    child = start(train, cfg, log=output.parent / LOG)
    checkpoints, used = output / "checkpoints", 0.0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                words = (output.parent / LOG).read_text(encoding="utf-8").splitlines()[-LAST_WORDS:]
                raise RuntimeError("a life failed by itself:\n" + "\n".join(words))
            return "finished", used
        used = processor_seconds(child)
        if after is None or used < after:
            time.sleep(LOOK)
        elif aimed and not any(checkpoints.glob(HALF_WRITTEN)):
            time.sleep(LOOK_CLOSELY)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            # Moved to its place in the meantime, it was killed a moment too late.
            half = any(checkpoints.glob(HALF_WRITTEN))
            return "killed while writing" if half else "killed", used


def losses_of(output: Path) -> dict[tuple[int, str], set[str]]:
    """Return all values that were ever written down, by step and name."""
    found: dict[tuple[int, str], set[str]] = {}
    for line in (output / LOSSES).read_text(encoding="utf-8").splitlines():
        # The last line of a life may be cut off.
        if not line.endswith("}"):
            continue
        row = json.loads(line)
        step = row.pop("step")
        for name, value in row.items():
            found.setdefault((step, name), set()).add(value)
    return found


def state_of(output: Path, steps: int) -> dict[str, Any]:
    """Return what the checkpoint of the last step holds, without the names of files."""
    content = read_checkpoint(output / "checkpoints" / f"interval-step{steps}.ckpt")
    content["callbacks"] = {
        name: {key: value for key, value in state.items() if key not in NOT_COMPARED}
        for name, state in content["callbacks"].items()
        if not name.startswith("ModelCheckpoint")
    }
    return content


def unlike(name: str, one: Any, other: Any) -> list[str]:
    """Return the places at which two nested containers are not equal to the last bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [place for key in one for place in unlike(f"{name}.{key}", one[key], other[key])]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [place for i, pair in enumerate(pairs) for place in unlike(f"{name}.{i}", *pair)]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [name]
    return [] if type(one) is type(other) and one == other else [name]


def differences(run: Path, whole: Path, steps: int) -> list[str]:
    """Return what of a killed run is not as in the whole one."""
    found = unlike("checkpoint", state_of(run, steps), state_of(whole, steps))
    if load_run_record(run).weights_hash != load_run_record(whole).weights_hash:
        found.append("the trained model")
    mine, theirs = losses_of(run), losses_of(whole)
    differing = (key for key in theirs.keys() | mine.keys() if mine.get(key) != theirs.get(key))
    return [*found, *(f"{name} of step {step}" for step, name in sorted(differing))]


def kill_trials(folder: Path, kills: int, steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """Kill runs until there were so many kills, and compare each run that came to its end."""
    encodings = folder / "encodings"
    os.waitpid(start(cache, composed("cache", f"output={encodings}"), log=folder / LOG), 0)

    # Once: what somebody changes in conf/ meanwhile does not concern these runs.
    cfg = composed("train", *RUN, f"trainer.max_steps={steps}", f"encodings={encodings}")
    whole = folder / "whole"
    cfg.paths.output = str(whole)
    _, length = live(cfg, whole, None, False)
    runs, ends, broken = 0, Counter[str](), []
    while ends.total() < kills:
        runs += 1
        run = folder / f"run{runs}"
        cfg.paths.output = str(run)
        while True:
            last = ends.total() >= kills
            after = None if last else float(rng.uniform(0.0, length))
            end, _ = live(cfg, run, after, bool(rng.random() < AIMED_SHARE))
            if end == "finished":
                break
            ends[end] += 1
            print(f"{ends.total()} of {kills} kills, run {runs}: {end}", flush=True)
        found = differences(run, whole, steps)
        print(f"run {runs} has ended, {len(found)} differences", flush=True)
        broken += [f"run {runs}: {difference}" for difference in found]
        if ends.total() < kills:
            shutil.rmtree(run)
    return {
        "kills": ends.total(),
        "of them while a checkpoint was being written": ends["killed while writing"],
        "runs that came to their end": runs,
        "steps of a run": steps,
        "losses compared in each run": len(losses_of(whole)),
        "processor seconds of a whole run": round(length, 2),
        "differences from the run that was not killed": broken,
    }


def damage(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Flip a bit of a file, or cut its end off; return which, and the rest."""
    kind = str(rng.choice(["bit", "bit near an end", "truncation"], p=[0.5, 0.2, 0.3]))
    if kind == "truncation":
        return kind, data[: int(rng.integers(len(data)))]
    place = int(rng.integers(len(data)))
    if kind == "bit near an end":
        # Where the archive's headers, its directory and the digest are.
        place = int(rng.integers(4096)) * int(rng.choice([-1, 1]))
    damaged = bytearray(data)
    damaged[place] ^= 1 << int(rng.integers(8))
    return kind, bytes(damaged)


def corruption_trials(run: Path, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Damage the newest checkpoint of a run, over and over."""
    logging.disable(logging.WARNING)
    folder = run / "checkpoints"
    newest = newest_checkpoint(folder)
    if newest is None:
        raise RuntimeError(f"{folder} holds no checkpoint")
    whole = newest.read_bytes()
    kinds, refused, fell_back, silent = Counter[str](), 0, 0, 0
    for _ in range(count):
        kind, data = damage(whole, rng)
        kinds[kind] += 1
        newest.write_bytes(data)
        try:
            VerifiedCheckpointIO().load_checkpoint(newest)
        except DamagedCheckpointError:
            refused += 1
        fell_back += newest_checkpoint(folder) not in (None, newest)
        try:
            torch.load(newest, weights_only=True)
            silent += 1
        except Exception:
            # Whatever it says, it has noticed.
            continue
    newest.write_bytes(whole)
    logging.disable(logging.NOTSET)
    return {
        "corruptions": dict(sorted(kinds.items())),
        "bytes of the checkpoint": len(whole),
        "refused": refused,
        "fell back to the checkpoint before": fell_back,
        "loaded in silence": count - refused,
        "torch.load alone would have loaded": silent,
    }


def main() -> None:
    """Run both trials and write what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--corruptions", type=int, default=500)
    parser.add_argument("--steps", type=int, default=8, help="an even number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("experiments/results/resume.json"))
    asked = parser.parse_args()
    begun = time.monotonic()
    rng = np.random.default_rng(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed = kill_trials(folder, asked.kills, asked.steps, rng)
        damaged = corruption_trials(folder / "whole", asked.corruptions, rng)
    command = f"python experiments/resume_trials.py --kills {asked.kills}"
    facts = {
        "command": f"{command} --corruptions {asked.corruptions} --steps {asked.steps}",
        "seed": asked.seed,
        "seconds": round(time.monotonic() - begun, 1),
        "machine": machine(),
        "kills": killed,
        "corruptions": damaged,
    }
    write_json(asked.output, facts)
    print(json.dumps(facts, indent=2))
    wrong = killed["differences from the run that was not killed"]
    if wrong or damaged["loaded in silence"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
