"""One clip, over and over: if the loss does not fall on that, something is broken."""

import lightning as L
from torch.utils.data import DataLoader

from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.structures import ClipBatch, collate_clips


class OneClipDataModule(L.LightningDataModule):
    """Trains and validates on the first training clip that has a hole (``debug=overfit``).

    Each step sees the same batch, as many windows of the clip as fit into one.

    Args:
        images: the clips, and how they are batched.

    Raises:
        ValueError: if nothing is hidden in any training clip.
    """

    def __init__(self, images: ClipDataModule) -> None:
        super().__init__()
        self.source = images.source
        self.guide_builder = images.guide_builder
        self._batch_size = images.batch_size
        self._windows, index = _first_with_hole(images)
        self.indices = {"train": [index], "val": [index], "test": []}

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        """Return the one batch."""
        count = min(self._batch_size, len(self._windows))
        batch = collate_clips([self._windows[i] for i in range(count)])
        return DataLoader([batch], batch_size=None)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[ClipBatch]:
        """Return the whole clip."""
        clip = ClipDataset(self.source, self.indices["val"], self.guide_builder)
        return DataLoader(clip, batch_size=1, collate_fn=collate_clips)  # type: ignore[arg-type]


def _first_with_hole(images: ClipDataModule) -> tuple[ClipDataset, int]:
    for index in images.indices["train"]:
        if images.source[index].mask.any():
            builder, window = images.guide_builder, images.window
            return ClipDataset(images.source, [index], builder, window, require_hole=True), index
    raise ValueError(
        f"data: none of the {len(images.indices['train'])} training clips has a hole, so that "
        "there is nothing to learn; use other clips"
    )
