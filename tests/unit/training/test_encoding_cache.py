"""Training from a cache: the same losses, and no frozen part runs."""

from dataclasses import fields
from pathlib import Path

import lightning as L
import pytest
import torch
from tests.helpers.tiny import build_tiny, tiny_datamodule, tiny_module, tiny_trainer

from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.datamodule import ClipDataModule
from diffmvr.models.components import Components
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import collate_clips
from diffmvr.training.cache_contents import check_contents
from diffmvr.training.cached_data import CachedDataModule, EncodedWindows
from diffmvr.training.encoding import ClipEncoder, EncodedBatch
from diffmvr.training.encoding_cache import EncodingCache, EncodingCacheWriter

EVERY_KIND = ("symmetric", "past", "present")
EVERYTHING = GuideSettings(EVERY_KIND, (1.0, 1.0, 1.0), pathway="both", residual=True)


class Losses(L.Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []
        self.validated: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.seen.append(outputs["loss"].item())

    def on_validation_end(self, trainer, pl_module) -> None:
        self.validated.append(trainer.callback_metrics["val/loss_denoising"].item())


def datamodule(kinds: tuple[str, ...], **changes) -> ClipDataModule:
    return tiny_datamodule(guide_builder=AutomaticGuides(kinds, align_past="similarity"), **changes)


def write(folder: Path, components: Components, **options) -> EncodingCache:
    folder.mkdir()
    data = datamodule(components.guide.kinds)
    writer, encoder = EncodingCacheWriter(folder, **options), ClipEncoder(components, cache=False)
    for split in ("train", "val"):
        clips = ClipDataset(data.source, data.indices[split], data.guide_builder)
        for clip in clips:
            batch = collate_clips([clip])
            writer.add(split, batch, encoder(batch))
    writer.finish({"kinds": list(components.guide.kinds)})
    return EncodingCache(folder)


@pytest.mark.parametrize(
    "guide",
    [
        GuideSettings(pathway="both", residual=True),
        GuideSettings(pathway="attention"),
        GuideSettings(("past",), (1.0,), pathway="latents"),
        GuideSettings(("present",), (1.0,)),
    ],
    ids=["both", "attention", "latents", "present"],
)
def test_the_losses_are_those_of_training_without_a_cache(
    frozen_parts: Path, tmp_path: Path, guide: GuideSettings
) -> None:
    cache = write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING))
    data = datamodule(guide.kinds)
    runs = []
    for training_data in (data, CachedDataModule(data, cache, guide)):
        losses = Losses()
        module = tiny_module(frozen_parts, guide)
        tiny_trainer(tmp_path, 5, [losses]).fit(module, datamodule=training_data)
        runs.append(losses)
    assert len(runs[0].seen) == 5 and len(runs[0].validated) == 2
    assert runs[1].seen == pytest.approx(runs[0].seen, rel=1e-5)
    assert runs[1].validated == pytest.approx(runs[0].validated, rel=1e-5)


def test_no_frozen_part_runs(frozen_parts: Path, tmp_path: Path) -> None:
    guide = GuideSettings(pathway="both", residual=True)
    cache = write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING))
    module = tiny_module(frozen_parts, guide)
    calls: list[str] = []
    vae, towers = module.components.vae, module.components.image_encoders
    for name, part in (("vae", vae.encoder), ("vae", vae.decoder), ("tower", towers[0])):
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    cached = CachedDataModule(datamodule(guide.kinds), cache, guide)
    tiny_trainer(tmp_path, 5).fit(module, datamodule=cached)
    assert calls == []
    tiny_trainer(tmp_path, 1).fit(module, datamodule=datamodule(guide.kinds))
    assert {"vae", "tower"} <= set(calls)


def test_a_tensor_that_frames_share_is_stored_once(frozen_parts: Path, tmp_path: Path) -> None:
    guide = GuideSettings(("past",), (1.0,), pathway="both")
    components = build_tiny(frozen_parts, guide)
    data = datamodule(("past",))
    clip, guides = ClipDataset(data.source, [0], data.guide_builder)[0]
    guides.images[:] = guides.images[-1]
    guides.valid[:] = True
    batch = collate_clips([(clip, guides)])
    writer = EncodingCacheWriter(tmp_path)
    writer.add("train", batch, ClipEncoder(components)(batch))
    writer.finish({"kinds": ["past"]})
    table = EncodingCache(tmp_path).table
    assert table["image_embeds"].explode().n_unique() == 1
    assert table["guide_latents"].explode().n_unique() == 1
    assert table["latents"].n_unique() == len(clip)


def test_encodings_come_back_in_shards_as_they_were(frozen_parts: Path, tmp_path: Path) -> None:
    guide = GuideSettings(("past", "symmetric"), (0.5, 0.5), pathway="both", residual=True)
    cache = write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING), shard_bytes=20_000)
    assert len(list((tmp_path / "cache").glob("tensors-*.safetensors"))) > 2
    data = datamodule(guide.kinds)
    clip = ClipDataset(data.source, data.indices["train"][:1], data.guide_builder)[0]
    expected = ClipEncoder(build_tiny(frozen_parts, guide))(collate_clips([clip]))
    got = EncodedWindows(cache, "train", guide)[0]
    torch.testing.assert_close(got.latents, expected.latents)
    torch.testing.assert_close(got.expressive, expected.expressive)
    for field in fields(expected.conditions):
        name = field.name
        torch.testing.assert_close(
            getattr(got.conditions, name), getattr(expected.conditions, name), msg=name
        )


def test_half_precision_halves_the_files(frozen_parts: Path, tmp_path: Path) -> None:
    components = build_tiny(frozen_parts, EVERYTHING)
    sizes = []
    for dtype in ("float32", "float16"):
        cache = write(tmp_path / dtype, components, dtype=dtype)
        batch = EncodedWindows(cache, "train", EVERYTHING)[0]
        assert batch.latents.dtype == torch.float32
        files = (tmp_path / dtype).glob("tensors-*.safetensors")
        sizes.append(sum(file.stat().st_size for file in files))
    assert sizes[1] < 0.6 * sizes[0]


def test_a_missing_file_is_named(frozen_parts: Path, tmp_path: Path) -> None:
    write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING), shard_bytes=20_000)
    (tmp_path / "cache" / "tensors-00001.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds \d+ of \d+ tensors; a tensors-"):
        EncodingCache(tmp_path / "cache")
    with pytest.raises(FileNotFoundError, match=r"no cache\.json in .*python -m diffmvr\.cache"):
        EncodingCache(tmp_path)


def test_a_cache_of_another_version_is_to_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text('{"version": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected version 2 .*, got 1; write the cache again"):
        EncodingCache(tmp_path)


def test_a_cache_of_other_data_or_weights_is_refused() -> None:
    made = {
        "clips": {"seed": 0},
        "kinds": list(EVERY_KIND),
        "towers": {"past": "a", "symmetric": "a"},
    }
    fewer = {"clips": {"seed": 0}, "kinds": ["past"], "towers": {"past": "a"}}
    check_contents(made, fewer)
    for wanted, message in (
        ({**fewer, "clips": {"seed": 1}}, r"clips: \{'seed': 0\} in the cache, \{'seed': 1\} here"),
        ({**fewer, "towers": {"past": "b"}}, "towers"),
        ({**fewer, "vae": "c"}, "vae: None in the cache, 'c' here"),
    ):
        with pytest.raises(ValueError, match=message):
            check_contents(made, wanted)
    with pytest.raises(ValueError, match="kinds"):
        check_contents(fewer, made)


def test_batches_join(frozen_parts: Path, tmp_path: Path) -> None:
    cache = write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING))
    windows = EncodedWindows(cache, "train", EVERYTHING, window=2, require_hole=True)
    joined = EncodedBatch.cat([windows[0], windows[1]])
    assert (joined.clips, joined.frames, len(joined.conditions)) == (2, 2, 4)
    assert torch.equal(joined.expressive[:2], windows[0].expressive)
    with pytest.raises(ValueError, match="no window of 99 frames in its train clips"):
        EncodedWindows(cache, "train", EVERYTHING, window=99)


def test_loading_processes_read_the_same_batches(frozen_parts: Path, tmp_path: Path) -> None:
    """Polars has been used in this process: in a forked one it would wait for ever."""
    guide = GuideSettings(pathway="both", residual=True)
    cache = write(tmp_path / "cache", build_tiny(frozen_parts, EVERYTHING))
    loaders = [
        CachedDataModule(datamodule(guide.kinds, num_workers=n), cache, guide).train_dataloader()
        for n in (0, 1)
    ]
    here, there = (list(loader) for loader in loaders)
    assert len(here) == len(there) > 1
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.latents, other.latents) and one.names == other.names
        for field in fields(one.conditions):
            assert torch.equal(
                getattr(one.conditions, field.name), getattr(other.conditions, field.name)
            )
