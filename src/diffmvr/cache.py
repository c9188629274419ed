"""``python -m diffmvr.cache output=FOLDER``: run the frozen parts once, and train without them.

``python -m diffmvr.train encodings=FOLDER …`` then reads latents and guide tokens from there; one
cache of all guides serves every experiment on the same data.
"""

import logging
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffmvr.checks import check_number
from diffmvr.cli import entry_point
from diffmvr.config import register_resolvers
from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.files import staged_output
from diffmvr.models.components import Components
from diffmvr.parsing import user_path
from diffmvr.progress import tracked
from diffmvr.structures import collate_clips
from diffmvr.training.cache_contents import describe_contents
from diffmvr.training.encoding import ClipEncoder
from diffmvr.training.encoding_cache import EncodingCacheWriter

log = logging.getLogger(__name__)

register_resolvers()


def cache(cfg: DictConfig) -> Path:
    """Encode the training and validation clips.

    Args:
        cfg: the composed ``conf/cache.yaml``.

    Returns:
        The folder of the cache.

    Raises:
        FileNotFoundError: if the model or the data is missing.
        ValueError: if the output folder is not empty, or the clips cannot have several masks.
    """
    torch.set_num_threads(cfg.threads)
    check_number("masks", cfg.masks, 1, 10_000)
    if cfg.masks > 1 and "root" not in cfg.data.source:
        raise ValueError(
            f"masks: rendered clips have one occluder each, got {cfg.masks}; render more with "
            "data.source.clips_per_subject, or use data=clips"
        )
    if not cfg.output:
        raise ValueError("output: expected a new folder, got none; give output=FOLDER")
    components: Components = instantiate(cfg.model.components, _convert_="all")
    encoder = ClipEncoder(components, cache=False)
    encoder.to(torch.device(cfg.device))
    output = user_path(cfg.output)
    log.info("encoding clips into %s", output)
    with staged_output(output) as staging:
        writer = EncodingCacheWriter(staging, cfg.dtype)
        for k in range(cfg.masks):
            data: ClipDataModule = instantiate(
                cfg.data, source={"seed": cfg.data.source.seed + k}, keep=False, _convert_="all"
            )
            # What is learnt from is seen under several masks, what is measured under one.
            for split in ("train", "val") if k == 0 else ("train",):
                _encode_split(writer, encoder, data, split)
        writer.finish(describe_contents(cfg, components))
    log.info("written to %s", output)
    return output


def _encode_split(
    writer: EncodingCacheWriter, encoder: ClipEncoder, data: ClipDataModule, split: str
) -> None:
    if not data.indices[split]:
        return
    clips = ClipDataset(data.source, data.indices[split], data.guide_builder, keep=False)
    device = encoder.components.vae.device
    for i in tracked(range(len(clips)), f"encoding {split}", "clips"):
        batch = collate_clips([clips[i]])
        writer.add(split, batch, encoder(batch.to(device)))


@entry_point("cache")
def main(cfg: DictConfig) -> None:
    """Write the cache that the composed configuration names."""
    cache(cfg)


if __name__ == "__main__":
    main()
