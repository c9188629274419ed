"""The truth of a clip, for those who compare with it."""

from diffmvr.checks import check_same_shape
from diffmvr.structures import Clip, UInt8Array


def true_frames(clip: Clip, restored: UInt8Array | None = None) -> UInt8Array:
    """Return the clean frames of a clip, ``[T, H, W, 3]``.

    Args:
        clip: the clip.
        restored: what is to be compared with them, if it is there already.

    Raises:
        ValueError: if the ground truth is unknown or the shapes differ.
    """
    if clip.frames is None:
        raise ValueError(f"clip: {clip.clip_id!r} has no ground truth (frames is None)")
    if restored is not None:
        check_same_shape("restored", restored, "clip.frames", clip.frames)
    return clip.frames
