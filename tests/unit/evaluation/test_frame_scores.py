from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.clips import moving_clip

from diffmvr.baselines import get_restorer
from diffmvr.evaluation.frame_scores import FrameScores
from diffmvr.metrics.clip_scores import score_clip


def test_frames_average_to_the_clip() -> None:
    clip = moving_clip(frames=6, size=32, shift=1, arrival=2)
    scores = FrameScores("segmentation", seed=3)
    telea = scores.watch(get_restorer("telea"))
    restored = telea.restore(clip)
    assert telea.name == "telea"
    np.testing.assert_array_equal(restored, get_restorer("telea").restore(clip))

    rows = scores.frame()
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    assert rows["frame"].to_list() == hidden.tolist(), "frames without a hole are left out"
    assert set(rows["restorer"]) == {"telea"} and set(rows["seed"]) == {3}
    whole = score_clip(restored, clip)
    # The rows are kept in single precision.
    assert rows["psnr_hole"].to_numpy().mean() == pytest.approx(whole["psnr_hole"], rel=1e-6)
    assert rows["ssim_hole"].to_numpy().mean() == pytest.approx(whole["ssim_hole"], rel=1e-6)
    # The face is clear until frame 1, so the past frame is one frame older in every frame.
    first = int(hidden[0])
    assert rows["past_age"].to_list() == [int(t) - first + 1 for t in hidden]
    assert (rows["hidden_share"] > 0).all()


def test_nothing_to_score() -> None:
    scores = FrameScores("bbox", seed=0)
    with pytest.raises(ValueError, match="frames: expected at least one row"):
        scores.frame()
    clip = moving_clip(frames=3, size=32, shift=1, arrival=1)
    with pytest.raises(ValueError, match=f"clip: '{clip.clip_id}' has no ground truth"):
        scores.add("telea", clip.observed, replace(clip, frames=None))
