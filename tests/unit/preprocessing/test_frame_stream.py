from fractions import Fraction

import numpy as np

from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import sampled


def test_frames_are_chosen_by_their_time() -> None:
    def times(pts: list[int], fps: Fraction | None) -> list[int]:
        image = np.zeros((1, 1, 3), np.uint8)
        frames = [(Frame(k, t, 1, image), None) for k, t in enumerate(pts)]
        return [frame.pts for frame, _ in sampled(frames, Fraction(1, 1000), fps)]

    film = [round(1000 * k / 30) for k in range(31)]
    chosen = times(film, Fraction(20))
    assert len(chosen) == 21
    assert all(0 <= t - 50 * k < 34 for k, t in enumerate(chosen))
    assert times(film, None) == film
    assert times(film, Fraction(100)) == film
    # A variable rate: one frame a tick at most, none where there is none.
    assert times([0, 10, 20, 55, 60, 300, 310, 350], Fraction(20)) == [0, 55, 300, 350]
