"""How late frames are shown, in bounded memory."""

import numpy as np

MOST_MILLISECONDS = 120_000


class Latencies:
    """Counts latencies by the millisecond, up to two minutes: percentiles exact to 1 ms."""

    def __init__(self) -> None:
        self._counts = np.zeros(MOST_MILLISECONDS + 1, np.int64)

    def add(self, seconds: float) -> None:
        """Count one; what is longer than two minutes counts as that."""
        self._counts[min(round(1000 * seconds), MOST_MILLISECONDS)] += 1

    def __len__(self) -> int:
        return int(self._counts.sum())

    def percentile(self, share: float) -> float | None:
        """Return the latency in seconds that ``share`` (0 to 1) of all reach at most."""
        total = len(self)
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self._counts), max(1, np.ceil(share * total))))
        return place / 1000
