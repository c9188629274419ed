"""A search over settings: which ones to try next, what was tried, and what was best.

The study is a file beside the jobs' folders (``study.journal``, read by Optuna's tools as well).
So a search that was killed goes on: a job under way is done first, with the settings it had.  Each
proposal is drawn from the search's seed and the trial's number, so that it does not matter how
often a search was stopped.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from diffmvr.checks import check_count, check_one_of
from diffmvr.files import write_text
from diffmvr.run_record import load_run_record
from diffmvr.text import csv_text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

log = logging.getLogger(__name__)

STUDY, STUDY_FILE = "search", "study.journal"
TRIALS_FILE, BEST_FILE = "search.csv", "best.yaml"
# How long a search is and how it runs; with more trials it is the same search.
NOT_THE_SEARCH = ("hparams_search.trials=", "hparams_search.jobs=", "threads=")


@dataclass(frozen=True)
class SearchSettings:
    """How to search (``conf/hparams_search``).

    Attributes:
        metric: what a run logs of its validation, e.g. ``"val/psnr_hole"``.
        direction: ``"maximize"`` or ``"minimize"``.
        trials: runs in all, those of an earlier start of the same search included.
        jobs: runs at a time, for a launcher that can run several.
        seed: of the proposals.

    Raises:
        ValueError: if a number is none, or the direction is another.
    """

    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"
    trials: int = 20
    jobs: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_one_of("hparams_search.direction", self.direction, ("maximize", "minimize"))
        check_count("hparams_search.trials", self.trials)
        check_count("hparams_search.jobs", self.jobs)


class Search:
    """A study in a folder.

    Args:
        folder: of the sweep.
        settings: how to search.
        overrides: of every job; those that are sweeps are searched, the others are fixed.

    Raises:
        ValueError: if nothing is to be searched, Optuna is not installed, or the folder holds
            another search.
    """

    def __init__(
        self, folder: str | Path, settings: SearchSettings, overrides: Sequence[Override]
    ) -> None:
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ModuleNotFoundError as error:
            raise ValueError(
                "hparams_search: expected optuna to be installed, got none; pip install "
                "'diffmvr[search]'"
            ) from error
        self.folder, self.settings = Path(folder), settings
        self._space = {o.get_key_element(): distribution(o) for o in overrides if _searched(o)}
        self._fixed = [str(o.input_line) for o in overrides if not _searched(o)]
        if not self._space:
            raise ValueError(
                "hparams_search: expected a setting to search, got none; give e.g. "
                "'model.optimizer.lr=tag(log, interval(1e-5, 1e-3))' or guide.fusion=fixed,gated"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.folder / STUDY_FILE))),
            study_name=STUDY,
            direction=settings.direction,
            load_if_exists=True,
        )
        self._check_same()

    def _check_same(self) -> None:
        now = {
            "metric": self.settings.metric,
            "direction": self.settings.direction,
            "seed": str(self.settings.seed),
            **{key: str(value) for key, value in self._space.items()},
            "fixed": " ".join(sorted(o for o in self._fixed if not o.startswith(NOT_THE_SEARCH))),
        }
        before = self._study.user_attrs.get(STUDY)
        if before is None:
            self._study.set_user_attr(STUDY, now)
        elif before != now:
            name = next(key for key in before | now if before.get(key) != now.get(key))
            raise ValueError(
                f"{self.folder}: holds another search ({name}: {before.get(name)!r} -> "
                f"{now.get(name)!r}); give this one another folder with hydra.sweep.dir=DIR"
            )

    @property
    def trials(self) -> list[Any]:
        """Optuna's trials, in the order of their numbers; those without settings are left out."""
        return [one for one in self._study.get_trials() if one.params.keys() == self._space.keys()]

    @property
    def best(self) -> Any | None:
        """The best trial; ``None`` if none has been scored."""
        scored = [one for one in self.trials if one.value is not None]
        sign = 1 if self.settings.direction == "maximize" else -1
        return max(scored, key=lambda one: sign * one.value, default=None)

    def next_batch(self) -> list[int]:
        """Return the numbers of the trials to run next: first those under way when it was killed.

        Empty when the search is over.
        """
        trials = self.trials
        batch = [one.number for one in trials if not one.state.is_finished()]
        batch = batch[: self.settings.jobs]
        for _ in range(min(self.settings.jobs - len(batch), self.settings.trials - len(trials))):
            number = len(self._study.get_trials(deepcopy=False))
            self._study.sampler = self._optuna.samplers.TPESampler(
                seed=self.settings.seed + number, constant_liar=True
            )
            batch.append(self._study.ask(self._space).number)
        return batch

    def overrides_of(self, number: int) -> list[str]:
        """Return the overrides of a trial's job."""
        (trial,) = (one for one in self.trials if one.number == number)
        return [*self._fixed, *(f"{key}={value}" for key, value in trial.params.items())]

    def tell(self, number: int, value: float | None) -> None:
        """Note what a trial has scored; ``None`` or NaN: it has failed."""
        if value is None or not math.isfinite(value):
            log.warning("trial %d: no finite score; the search goes on", number)
            self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number, value)

    def say_best(self) -> None:
        """Log the best settings, and the command that uses them."""
        best = self.best
        if best is None:
            log.warning("none of %d trials has a finite score", len(self.trials))
            return
        told = " ".join(f"{key}={value}" for key, value in best.params.items())
        log.info("best %s of %d trials: %.6g", self.settings.metric, len(self.trials), best.value)
        log.info("with %s", told)
        log.info(
            "python -m diffmvr.train --config-dir '%s' --config-name best takes them", self.folder
        )


def distribution(override: Override) -> "BaseDistribution":
    """Return what a sweep in Hydra's grammar is to the search.

    Args:
        override: ``range`` gives whole numbers or steps, ``interval`` a range of numbers (by their
            logarithm with ``tag(log, interval(…))``), anything else choices.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value = override.value()
    if isinstance(value, IntervalSweep):
        by_log = "log" in value.tags
        assert value.start is not None and value.end is not None
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=by_log)
        return FloatDistribution(value.start, value.end, log=by_log)
    if override.is_range_sweep():
        found: list[Any] = list(override.sweep_iterator(Transformer.identity))
        numbers = sorted(found)
        if len(numbers) > 1:
            low, high, step = numbers[0], numbers[-1], numbers[1] - numbers[0]
            whole = all(isinstance(number, int) for number in numbers)
            return (IntDistribution if whole else FloatDistribution)(low, high, step=step)
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _searched(override: Override) -> bool:
    return override.is_sweep_override()


def read_objective(cfg: DictConfig) -> float | None:
    """Return what a finished job has scored; ``None`` where nothing is searched.

    From ``run.json``, so that a job that finished in an earlier start of the search counts.

    Args:
        cfg: the job's settings.

    Raises:
        ValueError: if the run's validation has no such metric.
    """
    metric = OmegaConf.select(cfg, "hparams_search.metric")
    if metric is None:
        return None
    found = load_run_record(Path(cfg.paths.output)).validation
    if metric not in found:
        raise ValueError(
            f"hparams_search.metric: the run's last validation has no {metric}, but "
            f"{', '.join(sorted(found)) or 'nothing'}; give one of those"
        )
    return float(found[metric])


def write_results(search: Search, compose: Callable[[list[str]], DictConfig]) -> None:
    """Write every trial (``search.csv``), and the best one's whole settings (``best.yaml``).

    Args:
        search: the search.
        compose: makes a job's settings of its overrides.
    """
    trials, best = search.trials, search.best
    names = list(trials[0].params) if trials else []
    rows: list[Sequence[object]] = [["trial", "state", search.settings.metric, *names]]
    for one in trials:
        state = one.state.name.lower()
        rows.append([one.number, state, one.value, *(one.params[name] for name in names)])
    write_text(search.folder / TRIALS_FILE, csv_text(rows))
    if best is None:
        return
    cfg = compose(search.overrides_of(best.number))
    with read_write(cfg), open_dict(cfg):
        for key in ("hydra", "hparams_search", "ledger"):
            cfg.pop(key, None)
    head = [
        f"# Trial {best.number} of {len(trials)}: {search.settings.metric} = {best.value:.6g}.",
        "# python -m diffmvr.train --config-dir THIS_FOLDER --config-name best",
        "defaults: [{hydra: default}, _self_]",
        "ledger: false",
    ]
    write_text(search.folder / BEST_FILE, "\n".join([*head, OmegaConf.to_yaml(cfg)]))
