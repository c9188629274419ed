"""People whose restored frames are wrong by a known law, and sights of small frames."""

from typing import Any

import numpy as np

from diffmvr.doubt.features import FEATURES
from diffmvr.doubt.fitting import Witness
from diffmvr.doubt.model import LEVELS, DoubtModel, level_name
from diffmvr.doubt.sight import Sight
from diffmvr.preprocessing.evidence import Evidence

FRAMES, PIXELS = 6, 40


def witness(number: int, law: dict[str, float], expression: bool = True) -> Witness:
    """A person whose errors are exponential with mean Σ law · feature."""
    rng = np.random.default_rng(number)
    count = FRAMES * PIXELS
    features = rng.uniform(0, 10, (count, len(FEATURES))).astype(np.float32)
    features[:, FEATURES.index("always")] = 1
    frame = np.repeat(np.arange(FRAMES), PIXELS)
    mean = sum(weight * features[:, FEATURES.index(name)] for name, weight in law.items())
    errors = rng.exponential(1, (count, 3)) * np.asarray(mean)[:, None]
    squares = (errors**2).mean(axis=1)
    return Witness(
        person=f"person {number}",
        source="made up",
        features=features,
        errors=errors.astype(np.float32),
        frame=frame,
        frame_error=np.array([np.sqrt(squares[frame == t].mean()) for t in range(FRAMES)]),
        hidden_share=rng.uniform(0, 1, FRAMES),
        age=rng.uniform(0, 3, FRAMES),
        expression_error=rng.uniform(0.01, 0.02, FRAMES) if expression else np.full(FRAMES, np.nan),
    )


def plain_model(**changes: Any) -> DoubtModel:
    """A model in which σ is 1 + disagreement."""
    widths = {level_name(level): 1 + level for level in LEVELS if level <= 0.9}
    content: dict[str, Any] = {
        "weights": {name: float(name in ("always", "disagreement")) for name in FEATURES},
        "usual": {name: {"median": 1.0, "high": 50.0, "most": 100.0} for name in FEATURES},
        "pixel_widths": widths,
        "frame_factor": 1.0,
        "frame_widths": widths,
        "expression": {},
        "expression_widths": {},
        "people": {"made up": 12},
        "weights_sha256": {},
        "made_by": "tests",
    }
    return DoubtModel(**(content | changes))


def sight(spread: float = 0.0, **changes: Any) -> Sight:
    """A frame of 24 × 20 whose two references differ by ``spread`` from their mixture."""
    size = (24, 20)
    mask = np.zeros(size, np.uint8)
    mask[8:16, 6:14] = 1
    shown = np.full((2, *size, 3), 100, np.float32)
    shown[0] += spread
    shown[1] -= spread
    evidence = Evidence(
        image=np.full((*size, 3), 100, np.uint8),
        mask=mask,
        shown=shown,
        known=np.ones((2, *size), bool),
        weights=np.full((2, *size), 0.5, np.float32),
        trust=np.full((2, *size), 0.5, np.float32),
    )
    content: dict[str, Any] = {
        "index": 7,
        "time": 50.0,
        "evidence": evidence,
        "matrix": np.array([[0.5, 0, -10], [0, 0.5, -4]]),
        "filled": np.full((*size, 3), 100, np.uint8),
        "mirrored": np.zeros(size, np.float32),
        "correction": np.zeros(size, np.float32),
        "hidden_share": 0.25,
        "age": 0.5,
        "trial_error": 2.0,
    }
    return Sight(**(content | changes))
