"""The sampler that walks back from noise: the model's own, or another one of diffusers."""

from typing import Any


def choose_sampler(own: Any, name: str | None) -> Any:
    """Return a sampler with the noise schedule of a model.

    Args:
        own: the model's scheduler, of diffusers.
        name: the class of another one, e.g. ``DPMSolverMultistepScheduler``; ``None`` is ``own``.

    Raises:
        ValueError: if diffusers has none of that name that takes this schedule, or it needs a
            package that is not installed.
    """
    if name is None:
        return own
    # One that is defined by noise levels alone has no timesteps in this schedule.
    known = {
        one.__name__: one for one in (type(own), *own.compatibles) if "EDM" not in one.__name__
    }
    if name not in known:
        raise ValueError(f"sampler: expected null or one of {sorted(known)}, got {name!r}")
    try:
        return known[name].from_config(own.config)
    except ImportError as error:
        raise ValueError(f"sampler: {' '.join(str(error).split())}") from error
