"""Loading training batches, against nothing but decoding the same pictures."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from benchmarks.models import Case
from benchmarks.timing import measure

from diffmvr.clip_store import ClipStore, ClipStoreWriter, StoreInfo, track_columns
from diffmvr.data.clip_dataset import ClipDataset
from diffmvr.data.loader import ClipLoader, EpochSeededSampler
from diffmvr.data.sources import ClipSource, SyntheticClips
from diffmvr.data.store_clips import StoreClips
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.structures import Clip, collate_clips
from diffmvr.training.cached_data import EncodedWindows
from diffmvr.training.encoding import ClipEncoder, EncodedBatch
from diffmvr.training.encoding_cache import EncodingCache, EncodingCacheWriter

WINDOW = 8


def loading(
    case: Case, folder: Path, clips: int, frames: int, workers: int, repeats: int, warmup: int
) -> list[dict[str, Any]]:
    """Time one pass over rendered clips in each form they can have.

    Args:
        case: the model, whose size and guides decide what is loaded.
        folder: an empty folder to write a store and a cache of encodings into.
        clips: how many.
        frames: of each, at least 8.
        workers: loading processes of the row that has any; 0 leaves it out.
        repeats: measurements.
        warmup: passes before.

    Returns:
        A row for each form, with its frames per second as a share of the raw decode's.
    """
    guide, size = case.components.guide, case.pixels
    rendered = SyntheticClips(0, subjects=clips, clips_per_subject=1, num_frames=frames, size=size)
    builder = AutomaticGuides(guide.kinds)
    store = write_store(rendered, folder / "store")
    read = StoreClips(store, num_frames=frames)
    cache = _write_cache(case, rendered, builder, folder / "cache")
    encoded = EncodedWindows(cache, "train", guide, WINDOW)
    kept = _windows(rendered, builder, keep=True)
    paths = sorted((store / "JPEGImages").rglob("*.png"))
    passes = {
        "raw decode": partial(_decode, paths),
        "store, clips alone": partial(_read_store, store),
        "store, with occluders and guides": lambda: _load(_loader(_windows(read, builder))),
        "rendered, with guides": lambda: _load(_loader(_windows(rendered, builder))),
        "kept in memory": partial(_load, _loader(kept)),
        "cache of encodings": partial(_load, _loader(encoded, collate=EncodedBatch.cat)),
    }
    if workers:
        # They are started once for all passes, as in training.
        loader = _loader(_windows(read, builder), workers)
        passes[f"store, {workers} loading processes"] = partial(_load, loader)
    cpu, rows, raw = torch.device("cpu"), [], 0.0
    for form, run in passes.items():
        timing = measure(run, repeats, warmup, cpu)
        speed = clips * frames / timing["seconds"]["median"]
        raw = raw or speed
        rows.append(
            {
                "form": form,
                "pixels": size,
                "frames": clips * frames,
                **timing,
                "frames_per_second": speed,
                "share_of_raw_decode": speed / raw,
            }
        )
    return rows


def write_store(source: ClipSource, root: Path) -> Path:
    """Write the clean frames of clips whose truth is known as a clip store."""
    first: Any = source[0].frames
    size = first.shape[1]
    writer = ClipStoreWriter(root, StoreInfo(size))
    for index in range(len(source)):
        clip = source[index]
        with writer.recording(f"recording{index:04d}") as recording:
            for t, columns in enumerate(track_columns(clip.track)):
                row = {
                    **columns,
                    "subject": clip.subject_id,
                    "source_frame": t,
                    "source_time": t / 25,
                    "source_width": size,
                    "source_height": size,
                    "crop": np.eye(2, 3),
                    "occluded_share": 0.0,
                    "mask_source": "given",
                    "box_source": "given",
                    "past_index": t - 1,
                    "past_age": 1 if t else None,
                }
                image: Any = clip.frames
                recording.add_frame(f"clip{index:04d}", image[t], np.zeros_like(clip.mask[t]), row)
    writer.finish()
    return root


def _write_cache(
    case: Case, source: ClipSource, builder: AutomaticGuides, folder: Path
) -> EncodingCache:
    folder.mkdir()
    writer = EncodingCacheWriter(folder)
    encoder = ClipEncoder(case.components, cache=False)
    for index in range(len(source)):
        clip: Clip = source[index]
        batch = collate_clips([(clip, builder(clip))]).to(case.device)
        with case.precision():
            writer.add("train", batch, encoder(batch))
    writer.finish({"kinds": list(builder.kinds)})
    return EncodingCache(folder)


def _windows(source: ClipSource, builder: AutomaticGuides, keep: bool = False) -> ClipDataset:
    """Return clips with guides: read again at every pass, or cut and kept in memory."""
    return ClipDataset(source, range(len(source)), builder, WINDOW if keep else None, keep=keep)


def _loader(dataset: Any, workers: int = 0, collate: Any = collate_clips) -> ClipLoader:
    sampler = EpochSeededSampler(len(dataset), 1, seed=0)
    return ClipLoader(dataset, sampler, workers, collate_fn=collate)


def _load(loader: ClipLoader) -> None:
    for _ in loader:
        pass


def _decode(paths: list[Path]) -> None:
    for path in paths:
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def _read_store(root: Path) -> None:
    store = ClipStore(root)
    for clip in store.clip_ids:
        store.read(clip)
