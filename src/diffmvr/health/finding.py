"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """A row of the report.

    Attributes:
        area: ``packages``, ``device``, ``video``, ``weights``, ``privacy``, ``licences``, ``disk``.
        name: what was looked at.
        state: ``ok``; ``note``: worth knowing; ``warning``: something optional will not work, or
            wants a decision; ``error``: what the default path needs is broken.
        found: what was found.
        remedy: what to do about it.
    """

    area: str
    name: str
    state: State
    found: str
    remedy: str = ""
