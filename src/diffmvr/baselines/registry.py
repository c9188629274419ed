"""The baselines by name."""

from collections.abc import Callable

from diffmvr.baselines.past import PastFrame, PastGuide
from diffmvr.baselines.spatial import Mirror, NavierStokes, Occluded, Telea
from diffmvr.checks import check_one_of
from diffmvr.structures import Restorer

RESTORERS: dict[str, Callable[[], Restorer]] = {
    "occluded": Occluded,
    "telea": Telea,
    "navier_stokes": NavierStokes,
    "mirror": Mirror,
    "copy_past": lambda: PastFrame("none"),
    "copy_past_aligned": lambda: PastFrame("similarity"),
    "flow": lambda: PastFrame("flow"),
    "past_guide": PastGuide,
}


def get_restorer(name: str) -> Restorer:
    """Return the baseline called ``name``.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    check_one_of("restorer", name, RESTORERS)
    return RESTORERS[name]()
