"""What every entry point shows: one clear line for a user's mistake, and bars of progress."""

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import (
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from diffmvr.checks import WeightsNotPresentError
from diffmvr.collector import resume_collector
from diffmvr.config import config_dir, settings_file
from diffmvr.overrides import as_overrides
from diffmvr.plan import Plan, is_asked_for, show_plan
from diffmvr.published_weights import COMMAND, named_in
from diffmvr.setting_kinds import check_kinds
from diffmvr.setting_names import check_names
from diffmvr.signals import StoppedError, stopped_by_signals
from diffmvr.text import printable

log = logging.getLogger(__name__)

USAGE_ERROR = 2
FULL_ERROR = "HYDRA_FULL_ERROR"
# What shells give for a command that a signal ended, with the signal's number added.
SIGNALLED = 128
# Commands that have one thing to be told, and the setting that it is.
BARE = {"verify": "input"}
INTERRUPTED = SIGNALLED + signal.SIGINT


class PrintableFormatter(logging.Formatter):
    """Writes log records as another formatter does, but for what a terminal would obey.

    Args:
        formatter: the other one; ``None`` stands for logging's own.
    """

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return printable(self._formatter.format(record))


@contextmanager
def printable_log() -> Iterator[None]:
    """Keep what a terminal would obey out of the log, on the terminal and in its file."""
    handlers = logging.getLogger().handlers
    before = [(handler, handler.formatter) for handler in handlers]
    for handler, formatter in before:
        handler.setFormatter(PrintableFormatter(formatter))
    try:
        yield
    finally:
        for handler, formatter in before:
            handler.setFormatter(formatter)


class InterruptedExit(SystemExit):
    """The end of a command that was interrupted, after it has been told."""


def run_cli(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a user's mistake into one line and exit code 2, and the end by a signal into one line.

    A mistake is a ``ValueError``, an ``OSError``, or a setting that is needed and was not given; a
    lack of memory is told as shortly.  After Ctrl-C, SIGTERM or SIGHUP the exit code is what
    shells give: 128 and the signal's number.  Whatever is logged meanwhile reaches a terminal
    without the orders that names may hold.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        signals: list[int] = []
        try:
            with printable_log(), stopped_by_signals() as signals:
                return function(*args, **kwargs)
        except InterpolationResolutionError as error:
            told = (
                f"{error.full_key}: {str(error).splitlines()[0]}; ${{…}} stands for another setting"
            )
            sys.stderr.write(printable(f"error: {told}\n"))
            sys.exit(USAGE_ERROR)
        except (ValueError, OSError, InstantiationException) as error:
            # Hydra wraps what a constructor raised; the user wants the constructor's words.
            cause = error.__cause__ if isinstance(error, InstantiationException) else error
            if not isinstance(cause, ValueError | OSError):
                raise
            log.debug("details", exc_info=True)
            sys.stderr.write(printable(f"error: {_told(cause)}\n"))
            sys.exit(USAGE_ERROR)
        except MissingMandatoryValue as error:
            key = error.full_key
            sys.stderr.write(f"error: {key}: expected a value, got none; give {key}=VALUE\n")
            sys.exit(USAGE_ERROR)
        except MemoryError as error:
            sys.stderr.write(printable(f"error: out of memory: {error}\n"))
            sys.exit(USAGE_ERROR)
        except KeyboardInterrupt as error:
            signals += [error.number] if isinstance(error, StoppedError) and not signals else []
            _exit_interrupted(signals)
        except InterruptedExit:
            # A command within this one has told it.
            raise
        except SystemExit as error:
            # A library's own way to end when it is interrupted; its exit code may be 0.
            if signals or isinstance(error.__context__, KeyboardInterrupt):
                _exit_interrupted(signals)
            raise

    return wrapped


def _told(error: Exception | None) -> str:
    """Return an error's words; Python's own of a file that may not be used name no remedy."""
    if isinstance(error, PermissionError) and error.filename and error.strerror:
        return (
            f"{error.filename}: {error.strerror.lower()}; give what you may read, and a folder "
            "that you may write to"
        )
    if isinstance(error, WeightsNotPresentError) and COMMAND not in str(error):
        published = named_in(str(error))
        if published is not None:
            return f"{error}; without a network see `{COMMAND} where {published.name}`"
    return str(error)


def _exit_interrupted(signals: Sequence[int]) -> NoReturn:
    """Say how this command was ended, and end it."""
    number = signals[0] if signals else signal.SIGINT
    by = f" by {signal.Signals(number).name}" if signals else ""
    sys.stderr.write(f"\ninterrupted{by}\n")
    raise InterruptedExit(SIGNALLED + number)


def entry_point(
    name: str, folder: str = "", plan: Callable[[DictConfig], Plan] | None = None
) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Make a command of a function of the composed settings ``conf/FOLDER/NAME.yaml``.

    Args:
        name: of the settings.
        folder: of its own for settings whose keys the groups of the others would hide: beside
            ``conf/mask``, ``mask=hand.mp4`` would name a choice of that group.
        plan: says what the function would do; ``plan=true`` then does nothing else.
    """

    def decorate(function: Callable[..., Any]) -> Callable[[], None]:
        settings = config_dir() / folder
        compose = hydra.main(version_base="1.3", config_path=str(settings), config_name=name)
        run = compose(_checked(run_cli(function)))

        @functools.wraps(function)
        def command() -> None:
            if answered(settings / f"{name}.yaml"):
                return
            # In place: processes of a run repeat what is written here.
            sys.argv[1:] = as_overrides(sys.argv[1:], settings)
            if plan is not None and is_asked_for(sys.argv[1:]):
                _run_hydra(lambda: show_plan(settings / f"{name}.yaml", sys.argv[1:], plan))
                return
            _run_hydra(run)

        return command

    return decorate


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the kinds of the settings before a command begins."""

    @functools.wraps(function)
    def wrapped(cfg: DictConfig) -> Any:
        run_cli(check_kinds)(cfg)
        resume_collector()
        return function(cfg)

    return wrapped


@run_cli
def _run_hydra(run: Callable[[], None]) -> None:
    """Run a command of Hydra; what it cannot compose, or write, is one line as well."""
    before = os.environ.get(FULL_ERROR)
    # Hydra would print a traceback, or several lines, and end the process.
    os.environ[FULL_ERROR] = "1"
    try:
        run()
    except HydraException as error:
        if isinstance(error, InstantiationException):
            raise
        raise ValueError(_one_line(error)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise ValueError(
            f"{error.filename}: {error.strerror}; give the run a folder that can be written to, "
            "as hydra.run.dir=DIR"
        ) from error
    finally:
        os.environ.pop(FULL_ERROR)
        if before is not None:
            os.environ[FULL_ERROR] = before


def _one_line(error: HydraException) -> str:
    """Return what Hydra says, without where it has looked."""
    said = str(error).partition("\nConfig search path:")[0]
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        said += f"; {str(cause).partition(chr(10))[0]}"
    return " ".join(said.split())


def answer_early(name: str) -> None:
    """Answer for a command, and end it, before it imports what it uses, where that can be done.

    Args:
        name: of the command, e.g. ``"restore"``.
    """
    settings = settings_file(name)
    if settings is not None and answered(settings):
        sys.exit()


@run_cli
def answered(settings: Path) -> bool:
    """Answer what the command line asks about a command's settings, if it asks.

    Args:
        settings: the command's own, a YAML file.

    Returns:
        Whether there is nothing more to do.

    Raises:
        ValueError: if the command line is none, or names what does not exist.
    """
    arguments = sys.argv[1:] = with_key(sys.argv[1:], BARE.get(settings.stem))
    has_own_folder = settings.parent != config_dir()
    if has_own_folder and {"-h", "--help"} & set(arguments):
        # All there is to set, and what it means.
        told = settings.read_text(encoding="utf-8")
        sys.stdout.write(told.partition("\nhydra:\n")[0])
        return True
    check_arguments(arguments)
    options, _ = get_args_parser().parse_known_args(as_overrides(arguments, settings.parent))
    elsewhere = (options.config_path, options.config_dir, options.experimental_rerun)
    if not any(elsewhere) and not options.shell_completion:
        chosen = settings.with_name(f"{options.config_name or settings.stem}.yaml")
        _run_hydra(lambda: check_names(chosen, tuple(options.overrides)))
    asked = options.help, options.hydra_help, options.cfg, options.info, options.shell_completion
    if not any(asked):
        return False

    def show(cfg: DictConfig) -> None:
        """Do nothing: Hydra has answered."""

    # Hydra names a job after the module of its function.
    show.__module__ = f"diffmvr.{settings.stem}"
    where = {"config_path": str(settings.parent), "config_name": settings.stem}
    _run_hydra(hydra.main(version_base="1.3", **where)(show))
    return True


def with_key(arguments: Sequence[str], key: str | None) -> list[str]:
    """Read a first argument that is no setting as the value of ``key``.

    >>> with_key(["restored/", "json=true"], "input")
    ['input=restored/', 'json=true']
    """
    first = arguments[0] if arguments else ""
    if key is None or not first or first.startswith(("-", "~")) or "=" in first:
        return list(arguments)
    return [f"{key}={first}", *arguments[1:]]


def check_arguments(arguments: Sequence[str]) -> None:
    """Require ``key=value`` wherever Hydra would stumble over something else.

    Raises:
        ValueError: with the first that is none.
    """
    before = ""
    for argument in arguments:
        of_an_option = before.startswith("-") and before not in ("-m", "--multirun")
        if not ("=" in argument or argument.startswith(("-", "~")) or of_an_option):
            raise ValueError(
                f"{argument}: expected key=value, such as input=FILE; --help shows the keys"
            )
        before = argument
