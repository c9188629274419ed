"""The sweeper: jobs go to Hydra's launcher, what they score to the study."""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSearch(Sweeper):
    """Searches the settings that are given as a sweep, e.g. ``tag(log, interval(1e-5, 1e-3))``.

    A job's function returns its score.  A job whose numbers are not finite has failed, and the
    search goes on; any other error ends it, as in every sweep.  Given again, it goes on where it
    was.

    Args:
        settings: of ``diffmvr.runs.search.SearchSettings``.
        params: what is searched, in Hydra's grammar; the command line adds to it.
    """

    def __init__(
        self, settings: Mapping[str, Any], params: Mapping[str, str] | None = None
    ) -> None:
        self._settings = dict(settings)
        self._params = dict(params or {})
        self.hydra_context: HydraContext | None = None
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives."""
        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Search, and write ``search.csv`` and ``best.yaml`` after every batch of jobs.

        Args:
            arguments: the overrides of the command line.

        Returns:
            The jobs' returns.
        """
        from diffmvr.runs.search import Search, SearchSettings, write_results

        assert self.config is not None and self.hydra_context and self.launcher
        config, loader = self.config, self.hydra_context.config_loader
        given = {key: f"{key}={value}" for key, value in self._params.items()}
        parser = OverridesParser.create(config_loader=loader)
        for text, one in zip(arguments, parser.parse_overrides(arguments), strict=True):
            # The command line wins over what is searched by default.
            given[one.get_key_element()] = text
        search = Search(
            config.hydra.sweep.dir,
            SearchSettings(**self._settings),
            parser.parse_overrides(list(given.values())),
        )

        def compose(overrides: list[str]) -> DictConfig:
            return loader.load_sweep_config(config, overrides)

        returns = []
        while batch := search.next_batch():
            jobs = [search.overrides_of(number) for number in batch]
            self.validate_batch_is_legal(jobs)
            done = self.launcher.launch(jobs, initial_job_idx=batch[0])
            for number, job in zip(batch, done, strict=True):
                search.tell(number, _score(job))
            write_results(search, compose)
            returns.append(done)
        write_results(search, compose)
        search.say_best()
        return returns


def _score(job: JobReturn) -> float | None:
    """Return what a job has scored; ``None`` if its numbers were not finite."""
    if job.status is JobStatus.FAILED and isinstance(job._return_value, FloatingPointError):
        return None
    return float(job.return_value)
