"""The LightningDataModule over a cache of encodings: no picture is read, no frozen part runs."""

from collections.abc import Sequence

import lightning as L
from torch.utils.data import DataLoader, Dataset

from diffmvr.data.datamodule import ClipDataModule
from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.training.encoding import EncodedBatch
from diffmvr.training.encoding_cache import EncodingCache


class EncodedWindows(Dataset[EncodedBatch]):
    """Windows of T consecutive frames of a cached split, in the order of ``ClipDataset``.

    Args:
        cache: the cache.
        split: ``train`` or ``val``.
        guide: whose guides.
        window: T, or None for whole clips.
        require_hole: leave out windows in which nothing is hidden.
        clips: take at most this many clips.

    Raises:
        ValueError: if no window is left.
    """

    def __init__(
        self,
        cache: EncodingCache,
        split: str,
        guide: GuideSettings,
        window: int | None = None,
        require_hole: bool = False,
        clips: int | None = None,
    ) -> None:
        self._cache = cache
        self._guide = guide
        self._windows: list[list[int]] = []
        rows = cache.table.with_row_index("row").filter(split=split)
        for clip in rows.partition_by("clip", maintain_order=True)[:clips]:
            numbers, hidden = clip["row"].to_list(), clip["has_hole"].to_list()
            size = window or len(numbers)
            for start in range(0, len(numbers) - size + 1, size):
                part = slice(start, start + size)
                if any(hidden[part]) or not require_hole:
                    self._windows.append(numbers[part])
        if not self._windows:
            raise ValueError(
                f"encodings: the cache has no window of {window} frames in its {split} clips; use "
                "shorter windows or write a cache of more clips"
            )

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, item: int) -> EncodedBatch:
        return self._cache.read(self._windows[item], self._guide)


class CachedDataModule(L.LightningDataModule):
    """Trains from a cache; pictures and scores still come from the clips themselves.

    Args:
        images: the clips that the cache was made of, and how they are batched.
        cache: the cache.
        guide: the model's guides.
    """

    def __init__(self, images: ClipDataModule, cache: EncodingCache, guide: GuideSettings) -> None:
        super().__init__()
        self.source = images.source
        self.indices = images.indices
        self.guide_builder = images.guide_builder
        self._images = images
        self._cache = cache
        self._guide = guide

    def train_dataloader(self) -> ClipLoader:
        """Return shuffled training windows, sharded by clip over processes."""
        images = self._images
        windows = EncodedWindows(self._cache, "train", self._guide, images.window, True)
        sampler = EpochSeededSampler.of_trainer(
            len(windows), images.batch_size, images.seed, self.trainer
        )
        return ClipLoader(windows, sampler, images.num_workers, collate_fn=EncodedBatch.cat)

    def val_dataloader(self) -> DataLoader[EncodedBatch] | list[EncodedBatch]:
        """Return whole validation clips, one at a time; an empty list if there are none."""
        if not self._images.indices["val"]:
            return []
        clips = EncodedWindows(self._cache, "val", self._guide, clips=self._images.val_clips)
        return DataLoader(clips, batch_size=1, shuffle=False, collate_fn=_only)


def _only(parts: Sequence[EncodedBatch]) -> EncodedBatch:
    return parts[0]
