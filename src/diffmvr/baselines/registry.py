"""The baselines by name."""

from collections.abc import Callable, Sequence

from diffmvr.baselines.past import PastFrame, PastGuide
from diffmvr.baselines.spatial import Mirror, NavierStokes, Occluded, Telea
from diffmvr.checks import check_one_of, check_unique
from diffmvr.structures import PastSelection, Restorer

RESTORERS: dict[str, Callable[[], Restorer]] = {
    "occluded": Occluded,
    "telea": Telea,
    "navier_stokes": NavierStokes,
    "mirror": Mirror,
    "copy_past": lambda: PastFrame("none"),
    "copy_past_aligned": lambda: PastFrame("similarity"),
    "flow": lambda: PastFrame("flow"),
    "past_guide": PastGuide,
    "past_guide_mirrored": lambda: PastGuide(PastSelection(mirrored=True)),
    "matched_guide": lambda: PastGuide(PastSelection("matched")),
    "bank_guide": lambda: PastGuide(PastSelection("bank")),
    "bank_guide_mirrored": lambda: PastGuide(PastSelection("bank", mirrored=True)),
    "bank_guide_both": lambda: PastGuide(PastSelection("bank", "both")),
}


def get_restorer(name: str) -> Restorer:
    """Return the baseline called ``name``.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    check_one_of("restorer", name, RESTORERS)
    return RESTORERS[name]()


def get_restorers(name: str, chosen: str | Sequence[str], other: str) -> list[Restorer]:
    """Return the baselines that one more restorer is compared with.

    Args:
        name: the argument's name, for messages.
        chosen: a baseline's name, or several.
        other: what the one more is called.

    Raises:
        ValueError: if a name is unknown or is there twice; the message lists the names.
    """
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    for entry in names:
        check_one_of(name, entry, RESTORERS)
    restorers = [get_restorer(entry) for entry in names]
    check_unique(name, [other, *(restorer.name for restorer in restorers)])
    return restorers
