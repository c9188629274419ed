"""Clips with their guides, cut into windows of consecutive frames, as a torch dataset."""

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from diffmvr.data.sources import ClipSource
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
        for index in indices:
            length = len(self._read(index)[0]) if window else 0
            starts = range(0, length - window + 1, window) if window else [0]
            for start in starts:
                stop = start + window if window else -1
                if require_hole and not self._has_hole(index, start, stop):
                    continue
                self._windows.append((index, start, stop))
                self.subject_ids.append(source.subject_ids[index])
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

    def _has_hole(self, index: int, start: int, stop: int) -> bool:
        mask = self._read(index)[0].mask
        return bool(np.any(mask if stop < 0 else mask[start:stop]))

    def _read(self, index: int) -> tuple[Clip, Guides]:
        if index in self._kept:
            return self._kept[index]
        clip = self._source[index]
        sample = (clip, self._guide_builder(clip))
        if self._keep:
            self._kept[index] = sample
        return sample
