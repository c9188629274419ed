"""Clips with their guides, cut into windows of consecutive frames, as a torch dataset."""

from collections.abc import Sequence

from torch.utils.data import Dataset

from diffmvr.data.sources import ClipSource
from diffmvr.progress import tracked
from diffmvr.structures import Clip, GuideBuilder, Guides, window_of


class ClipDataset(Dataset[tuple[Clip, Guides]]):
    """Windows of T consecutive frames of the chosen clips, with guides.

    Guides are found on the whole clip before it is cut, so that a window's past frame may lie
    before the window.  Clips are rendered or read once and kept in memory when ``keep`` is set.

    Args:
        source: the clips.
        indices: which of them.
        guide_builder: finds the guides.
        window: T, or None for whole clips.
        require_hole: leave out windows in which nothing is hidden (training has nothing to restore
            there).
        keep: keep clips and guides in memory.
    """

    def __init__(
        self,
        source: ClipSource,
        indices: Sequence[int],
        guide_builder: GuideBuilder,
        window: int | None = None,
        require_hole: bool = False,
        keep: bool = True,
    ) -> None:
        self._source = source
        self._guide_builder = guide_builder
        self._keep = keep
        self._kept: dict[int, tuple[Clip, Guides]] = {}
        self._windows: list[tuple[int, int, int]] = []
        self.subject_ids = []
        whole = window is None and not require_hole
        for index in indices if whole else tracked(indices, "reading", "clips"):
            # Whole clips need not be read to be counted.
            spans = [(0, -1)] if whole else self._spans(index, window, require_hole)
            self._windows += [(index, *span) for span in spans]
            self.subject_ids += [source.subject_ids[index]] * len(spans)
        if not self._windows:
            raise ValueError(
                f"no window of {window} frames in {len(indices)} clips; use shorter windows, "
                "longer clips or more clips"
            )

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, item: int) -> tuple[Clip, Guides]:
        index, start, stop = self._windows[item]
        clip, guides = self._read(index)
        return (clip, guides) if stop < 0 else window_of(clip, guides, start, stop)

    def _spans(self, index: int, window: int | None, require_hole: bool) -> list[tuple[int, int]]:
        """Return first frame and end of a clip's windows; −1 ends a whole clip."""
        # Guides that are not kept would be found in vain.
        clip = self._read(index)[0] if self._keep else self._source[index]
        length = window or len(clip)
        return [
            (start, start + length if window else -1)
            for start in range(0, len(clip) - length + 1, length)
            if not require_hole or clip.mask[start : start + length].any()
        ]

    def _read(self, index: int) -> tuple[Clip, Guides]:
        if index in self._kept:
            return self._kept[index]
        clip = self._source[index]
        sample = (clip, self._guide_builder(clip))
        if self._keep:
            self._kept[index] = sample
        return sample
