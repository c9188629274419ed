"""The first pass over a recording, begun while the caller loads the model."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice

from diffmvr.preprocessing.frame_source import FrameSource
from diffmvr.preprocessing.frame_stream import counted, with_masks
from diffmvr.preprocessing.mask_io import MaskSource
from diffmvr.preprocessing.scan import Scanner
from diffmvr.preprocessing.scene_layout import MaskCleaning
from diffmvr.preprocessing.threads import ReadAhead
from diffmvr.restoration.planner import plan
from diffmvr.restoration.scene_plan import ScenePlan
from diffmvr.structures import CLEAR_THRESHOLD, PastSelection


@contextmanager
def planned(
    frames: FrameSource,
    masks: MaskSource | None,
    scanner: Scanner,
    size: Callable[[], int],
    cleaning: MaskCleaning | None = None,
    on_frame: Callable[[], None] | None = None,
    past: PastSelection | None = None,
    clear_threshold: float = CLEAR_THRESHOLD,
) -> Iterator[Iterator[ScenePlan]]:
    """Plan a recording: the first scene at once, in a thread of its own, the others when asked for.

    Args:
        frames: the recording.
        masks: its masks; ``None``: they are found.
        scanner: see ``plan``; not for other use in the block.
        size: returns the side of the model's crops, in pixels; called in that thread.
        cleaning: see ``plan``.
        on_frame: called after each frame.
        past: see ``plan``.
        clear_threshold: see ``plan``.

    Yields:
        The plans in order.  An error of the first scene, too, is raised where its plan is taken.
    """

    def plans(seen: ReadAhead) -> Iterator[ScenePlan]:
        watched = counted(seen, on_frame)
        yield from plan(watched, frames.info, scanner, size(), cleaning, past, clear_threshold)

    with closing(ReadAhead(with_masks(frames, masks, exact=True))) as seen:
        rest = plans(seen)
        # The innermost is closed first: without frames, the thread that plans ends, too.
        with closing(ReadAhead(islice(rest, 1))) as first, closing(seen):
            yield chain(first, rest)
