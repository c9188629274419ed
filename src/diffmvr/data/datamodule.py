"""The LightningDataModule: clips of consecutive frames, split by subject."""

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.data.sources import ClipSource
from diffmvr.data.splits import (
    SPLITS,
    check_disjoint,
    check_filled,
    split_indices,
    spread_clips,
)
from diffmvr.structures import GuideBuilder, collate_clips


class ClipDataModule(L.LightningDataModule):
    """Yields batches (``ClipBatch``): windows of T frames to train on, whole clips to evaluate.

    Args:
        source: the clips.
        guide_builder: finds the guides of each clip.
        batch_frames: frames of one training batch (the paper counts frames; decisions 14).
        window: T, consecutive frames per training sample; divides ``batch_frames``.
        fractions: shares of subjects for train, val and test.
        val_subjects: who is validated with, by name, instead of ``fractions``; see
            ``split_indices``.
        test_subjects: who is tested with.
        val_clips: at most this many validation clips are scored during training.
        num_workers: loading processes.
        pin_memory: for transfers to a GPU.
        keep: keep clips and guides in memory.
        seed: order seed.
        max_clips: of the source's clips take at most so many, of as many subjects as possible;
            None takes all.
    """

    def __init__(
        self,
        source: ClipSource,
        guide_builder: GuideBuilder,
        batch_frames: int = 16,
        window: int = 8,
        fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
        val_clips: int = 8,
        num_workers: int = 0,
        pin_memory: bool = False,
        keep: bool = True,
        seed: int = 0,
        max_clips: int | None = None,
        val_subjects: Sequence[str] | None = None,
        test_subjects: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if batch_frames % window:
            raise ValueError(
                f"batch_frames: a batch is whole windows, so {batch_frames} must be a multiple of "
                f"window={window}"
            )
        self.source = source
        self.guide_builder = guide_builder
        self.window = window
        self.batch_size = batch_frames // window
        self.val_clips = val_clips
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.keep = keep
        self.seed = seed
        self.fractions = fractions
        self.indices = split_indices(
            source.subject_ids, fractions, val_subjects, test_subjects, source.test_people
        )
        if max_clips is not None:
            few = set(spread_clips(source.subject_ids, max_clips))
            self.indices = {
                name: [index for index in indices if index in few]
                for name, indices in self.indices.items()
            }
        check_disjoint(
            {name: [source.subject_ids[i] for i in ids] for name, ids in self.indices.items()}
        )
        needed = ["train"]
        if val_subjects is None and test_subjects is None:
            needed = [name for name, share in zip(SPLITS, fractions, strict=True) if share > 0]
        check_filled(self.indices, source.subject_ids, needed)
        self._train: ClipDataset | None = None

    def check_test_split(self) -> None:
        """Require somebody to score.

        Raises:
            ValueError: if the test split is empty.
        """
        if not self.indices["test"]:
            raise ValueError(
                f"data.fractions: nobody is left to score with {list(self.fractions)}; give the "
                "test split a share or data.test_subjects, or set evaluation.restorers=null"
            )

    def setup(self, stage: str | None = None) -> None:
        """Read the training clips."""
        if stage in (None, "fit"):
            self.train_windows()

    def train_windows(self) -> ClipDataset:
        """Return the training windows, read at the first call."""
        if self._train is None:
            self._train = ClipDataset(
                self.source,
                self.indices["train"],
                self.guide_builder,
                window=self.window,
                require_hole=True,
                keep=self.keep,
            )
        return self._train

    def train_dataloader(self) -> ClipLoader:
        """Return shuffled training windows, sharded by clip over processes."""
        windows = self.train_windows()
        sampler = EpochSeededSampler.of_trainer(
            len(windows), self.batch_size, self.seed, self.trainer
        )
        return ClipLoader(windows, sampler, self.num_workers, self.pin_memory)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return whole validation clips, one at a time; an empty list if there are none."""
        if not self.indices["val"]:
            return []
        return self._whole_clips(self.indices["val"][: self.val_clips])

    def _whole_clips(self, indices: list[int]) -> DataLoader[Any]:
        dataset = ClipDataset(self.source, indices, self.guide_builder, keep=self.keep)
        return DataLoader(dataset, batch_size=1, shuffle=False, collate_fn=collate_clips)
