"""Measure how fast diffmvr is; write the figures, with the machine, as JSON and as tables.

    python -m benchmarks.run                                # everything that this machine can do
    python -m benchmarks.run --quick                        # the same in little: does it run?
    python -m benchmarks.run sampling comparison --steps 4  # some of it
    python -m benchmarks.run --sizes sd15 --device cuda     # full size, random weights, bfloat16

Suites: ``sampling`` (by stage), ``training`` (a step by stage), ``loading`` (against a raw decode),
``preprocessing`` and ``restoring`` a recording (by stage), ``references`` (the same by the number
of clear frames that are kept), ``comparison`` (against a plain diffusers loop), ``startup`` (of
every command) and ``live`` (ten minutes of it: memory and latency).  A GPU's figures are of
bfloat16.  Full size on a CPU takes hours and is left out unless ``--slow`` asks for it.
"""

import argparse
import logging
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import torch
from benchmarks.comparison import CLIPS, comparison
from benchmarks.live import live
from benchmarks.loading import loading
from benchmarks.models import PIXELS, SIZES, Case, build_case
from benchmarks.restoring import restoring
from benchmarks.sampling import guide_images, sampling
from benchmarks.startup import COMMANDS, startup
from benchmarks.tables import markdown
from benchmarks.training import training

from diffmvr.cli import run_cli
from diffmvr.files import read_json, write_json
from diffmvr.runs.facts import machine, package_versions
from diffmvr.structures import PastSelection

log = logging.getLogger(__name__)

Rows = Iterator[dict[str, Any]]

ROOT = Path(__file__).resolve().parents[1]
NOT_MEASURED = "no GPU; python -m benchmarks.run --sizes sd15 --device cuda"


class Runner:
    """Runs suites, row by row.

    Args:
        options: the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._device = torch.device(options.device)
        self._repeats = {"repeats": options.repeats, "warmup": options.warmup}

    def sampling(self) -> Rows:
        """Time the pipeline for every size, batch and number of steps."""
        for size in self._options.sizes:
            if self._skipped(size):
                yield {"size": size, "not_measured": NOT_MEASURED}
                continue
            for pathway in ("attention", "both") if size == "tiny" else ("attention",):
                case = self._case(size, pathway)
                for batch, steps in product(self._options.batches, self._options.steps):
                    what = (size, pathway, batch, steps)
                    log.info("sampling: %s, %s, batch %d, %d steps", *what)
                    yield sampling(case, batch, steps, **self._repeats)

    def guides(self) -> Rows:
        """Time the finding of guide images; it runs on the CPU at any size."""
        log.info("guide images")
        frames = 8 if self._options.quick else 16
        sizes = [PIXELS["tiny"]] if self._options.quick else [PIXELS[s] for s in SIZES]
        for size in sizes:
            yield from guide_images(
                size, frames, min(3, self._options.repeats), self._options.warmup
            )

    def training(self) -> Rows:
        """Time a training step for every size and batch."""
        for size in self._options.sizes:
            if self._skipped(size):
                yield {"size": size, "not_measured": NOT_MEASURED}
                continue
            checkpointing = (False,) if size == "tiny" else (False, True)
            for checkpointed, batch in product(checkpointing, self._options.batches):
                log.info("training: %s, batch %d", size, batch)
                case = self._case(size, training=True)
                yield training(case, batch, **self._repeats, checkpointed=checkpointed)

    def loading(self) -> Rows:
        """Time the forms in which training data can be had."""
        clips, frames, workers = (1, 8, 0) if self._options.quick else (8, 16, 2)
        for size in self._options.sizes:
            if self._skipped(size):
                yield {"size": size, "not_measured": NOT_MEASURED}
                continue
            log.info("loading: %s", size)
            case = self._case(size, "both")
            with tempfile.TemporaryDirectory() as folder:
                rows = loading(case, Path(folder), clips, frames, workers, **self._repeats)
            yield from ({"size": size, **row} for row in rows)

    def preprocessing(self) -> Rows:
        """Time the stages of preprocessing at 512 × 512, in a process of its own."""
        log.info("preprocessing")
        frames = ("16",) if self._options.quick else ("240", "960")
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "rows.json"
            script = ROOT / "experiments" / "preprocess_benchmark.py"
            command = [sys.executable, str(script), "--output", str(output), "--frames", *frames]
            command += ["--threads", str(self._options.threads)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            yield from read_json(output)

    def restoring(self) -> Rows:
        """Time the restoration of a recording of 480 × 480, with one thread and as it comes."""
        size, frames = (96, 12) if self._options.quick else (480, 96)
        with tempfile.TemporaryDirectory() as folder:
            for threads in (1, None):
                log.info("restoring: %s", "one thread" if threads else "threads by the cores")
                repeats = min(3, self._options.repeats)
                yield restoring(Path(folder), size, frames, threads, repeats, self._options.warmup)

    def references(self) -> Rows:
        """Time the same by how many clear frames are kept, and carried, with one thread."""
        size, frames = (96, 12) if self._options.quick else (480, 96)
        usual = PastSelection()
        cases = [(kept, usual.carried) for kept in (1, 8, 16, 32)]
        cases += [(usual.size, carried) for carried in (1, 2, 3, 4, 16)]
        with tempfile.TemporaryDirectory() as folder:
            for kept, carried in cases[1::5] if self._options.quick else cases:
                log.info("references: %d kept, %d carried", kept, carried)
                past = {"select": "bank", "size": kept, "carried": carried}
                # Without a warm-up: what is loaded first counts as the start.
                yield restoring(
                    *(Path(folder), size, frames, 1), min(3, self._options.repeats), 0, past
                )

    def comparison(self) -> Rows:
        """Time diffmvr against the plain diffusers loop; in float32, so that they can be equal."""
        clips = CLIPS[:1] if self._options.quick else CLIPS
        frames = 8 if self._options.quick else 16
        pathways = ("attention", "both")
        cases = {pathway: build_case("tiny", self._device, pathway) for pathway in pathways}
        for steps, clip, pathway in product(self._options.comparison_steps, clips, pathways):
            log.info("comparison: %s, %s, %d steps", pathway, clip, steps)
            yield comparison(cases[pathway], clip, steps, frames, self._options.repeats)

    def startup(self) -> Rows:
        """Time how long commands take to begin."""
        log.info("startup")
        quick, repeats = self._options.quick, min(3, self._options.repeats)
        yield from startup(("restore",) if quick else COMMANDS, repeats, mistakes=not quick)

    def live(self) -> Rows:
        """Run live for ten minutes."""
        # A little longer, so that the tenth minute is read before it ends.
        size, seconds, every = (96, 4.0, 1.0) if self._options.quick else (512, 615.0, 60.0)
        log.info("live: %g s", seconds)
        with tempfile.TemporaryDirectory() as folder:
            yield live(Path(folder), size, seconds, every)

    def _skipped(self, size: str) -> bool:
        return size == "sd15" and self._device.type != "cuda" and not self._options.slow

    def _case(self, size: str, pathway: str = "attention", training: bool = False) -> Case:
        half = torch.bfloat16 if self._device.type == "cuda" else None
        precision = {"autocast": half} if training else {"dtype": half or torch.float32}
        channels_last = self._options.channels_last
        return build_case(size, self._device, pathway, **precision, channels_last=channels_last)


SUITES: dict[str, tuple[Callable[[Runner], Rows], ...]] = {
    "sampling": (Runner.sampling, Runner.guides),
    "training": (Runner.training,),
    "loading": (Runner.loading,),
    "preprocessing": (Runner.preprocessing,),
    "restoring": (Runner.restoring,),
    "references": (Runner.references,),
    "comparison": (Runner.comparison,),
    "startup": (Runner.startup,),
    "live": (Runner.live,),
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", nargs="+", type=int, default=None)
    parser.add_argument("--steps", nargs="+", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=None)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--channels-last", action="store_true", help="memory format of the images")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs")
    parser.add_argument("--slow", action="store_true", help="full size on a CPU, too: hours")
    parser.add_argument("--output", type=Path, default=Path("outputs/bench/bench.json"))
    options = parser.parse_args(arguments)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"suites: expected some of {list(SUITES)}, got {unknown}")
    options.suites = options.suites or list(SUITES)
    quick = options.quick
    options.comparison_steps = options.steps or ([1] if quick else [1, 4, 20])
    options.steps = options.steps or ([1] if quick else [1, 4, 20, 50])
    options.batches = options.batches or ([1] if quick else [1, 8])
    options.repeats = options.repeats or (1 if quick else 5)
    options.warmup = 0 if quick else 1
    return options


def command(given: list[str]) -> str:
    """Return the command that repeats a run; where it writes is nobody's business."""
    kept = list(given)
    if "--output" in kept:
        at = kept.index("--output")
        del kept[at : at + 2]
    return shlex.join(["python", "-m", "benchmarks.run", *kept])


@run_cli
def main(arguments: list[str] | None = None) -> None:
    """Run the suites that the command line names."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    given = sys.argv[1:] if arguments is None else arguments
    runner = Runner(options)
    results: dict[str, list[dict[str, Any]]] = {}
    for suite, measured in ((s, f) for s in options.suites for f in SUITES[s]):
        results[measured.__name__] = rows = []
        for row in measured(runner):
            rows.append(row)
            # After each row: a run that is stopped leaves what it has measured.
            content = {
                "command": command(given),
                "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                "machine": machine(device),
                "versions": package_versions(),
                "results": results,
            }
            write_json(options.output, content)
            options.output.with_suffix(".md").write_text(markdown(content), encoding="utf-8")
        log.info("%s: done", suite)
    log.info("written to %s", options.output)


if __name__ == "__main__":
    main()
