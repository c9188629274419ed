"""A public, seeded benchmark: rendered infant faces, what hides them, and the truth.

``render_clip(seed, subject, clip)`` returns the same bytes on every run.
"""

from diffmvr.data.synthetic.clip import SyntheticClip, render_clip
from diffmvr.data.synthetic.expression import EXPRESSION_NAMES, STATES
from diffmvr.data.synthetic.landmarks import LANDMARK_NAMES, MIDLINE_NAMES
from diffmvr.data.synthetic.occluders import composite_occluder
from diffmvr.data.synthetic.sprites import KINDS as OCCLUDER_KINDS

__all__ = [
    "EXPRESSION_NAMES",
    "LANDMARK_NAMES",
    "MIDLINE_NAMES",
    "OCCLUDER_KINDS",
    "STATES",
    "SyntheticClip",
    "composite_occluder",
    "render_clip",
]
