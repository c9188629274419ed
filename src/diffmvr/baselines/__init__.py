"""Other ways to fill the hole, behind :class:`~diffmvr.structures.Restorer`.

Those named here need no weights and are the honest floor: whatever DiffMVR is worth, it must beat
them.  The paper's other systems, which need weights or code that do not ship, are classes of this
folder that ``conf/baselines`` describes.
"""

from diffmvr.baselines.past import PastFrame, PastGuide
from diffmvr.baselines.registry import RESTORERS, get_restorer, get_restorers
from diffmvr.baselines.spatial import Mirror, NavierStokes, Occluded, Telea

__all__ = [
    "RESTORERS",
    "Mirror",
    "NavierStokes",
    "Occluded",
    "PastFrame",
    "PastGuide",
    "Telea",
    "get_restorer",
    "get_restorers",
]
