"""A clip as a small video to look at."""

from pathlib import Path

import av
import numpy as np
from tests.helpers.clips import moving_clip

from diffmvr.pipelines.clip_video import side_by_side, write_clip


def test_clips_stand_side_by_side_enlarged() -> None:
    clip = moving_clip(frames=3, size=48)
    joined = side_by_side([clip.observed, clip.frames], upscale=2)
    assert joined.shape == (3, 96, 192, 3)
    np.testing.assert_array_equal(joined[:, ::2, :96:2], clip.observed)
    np.testing.assert_array_equal(joined[:, 1::2, 97::2], clip.frames)


def test_the_video_has_the_frames(tmp_path: Path) -> None:
    clip = moving_clip(frames=5, size=48)
    path = write_clip(side_by_side([clip.frames], upscale=4), tmp_path / "new" / "clip.mp4", fps=8)
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == 8
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(shown) == 5 and shown[0].shape == (192, 192, 3)
    error = np.abs(np.stack(shown)[:, ::4, ::4].astype(int) - clip.frames)
    assert error.mean() < 8
