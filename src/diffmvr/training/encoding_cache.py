"""What the frozen parts made of every frame, on disk, to train without running them.

A cache is a folder: ``frames.parquet`` has one row a frame, which names its tensors by their
content; ``tensors-00000.safetensors`` … hold each tensor once, whoever shares it (a guide of many
frames, the clean frame under several masks); ``cache.json`` says what it was made with.

G guides, L tokens, c × h × w latents; one frame each, unless N is said.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from diffmvr.checks import check_one_of
from diffmvr.models.conditioning import Conditions
from diffmvr.models.guide_settings import GuideSettings
from diffmvr.structures import ClipBatch
from diffmvr.table_io import read_table, write_table
from diffmvr.training.encoding import EncodedBatch, name_frames

FORMAT_VERSION = 2
INFO_NAME = "cache.json"
FRAMES_NAME = "frames.parquet"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SHARD_BYTES = 256 * 2**20

_KEYS = pl.List(pl.String)
SCHEMA: dict[str, Any] = {
    "split": pl.String,
    "clip": pl.Int64,
    "clip_id": pl.String,
    "subject_id": pl.String,
    "frame_index": pl.Int64,
    "has_hole": pl.Boolean,
    "latents": pl.String,
    "mask": pl.String,
    "masked_latents": pl.String,
    "reference_latents": pl.String,
    "expressive": pl.String,
    "guide_latents": _KEYS,
    "image_embeds": _KEYS,
    "guide_valid": pl.List(pl.Boolean),
}


class EncodingCacheWriter:
    """Writes a cache into an empty folder.

    Args:
        folder: where to.
        dtype: one of ``DTYPES``; only ``float32`` gives training's own losses to the last bit.
        shard_bytes: size of a file of tensors.
    """

    def __init__(
        self, folder: Path, dtype: str = "float32", shard_bytes: int = SHARD_BYTES
    ) -> None:
        check_one_of("dtype", dtype, DTYPES)
        self._folder = folder
        self._dtype = DTYPES[dtype]
        self._shard_bytes = shard_bytes
        self._pending: dict[str, Tensor] = {}
        self._known: set[str] = set()
        self._shards = 0
        self._rows: list[dict[str, Any]] = []
        self._clips = 0

    def add(self, split: str, batch: ClipBatch, encoded: EncodedBatch) -> None:
        """Write one clip.

        Args:
            split: ``train`` or ``val``.
            batch: the clip, B = 1.
            encoded: what became of it.

        Raises:
            ValueError: if it does not say where the faces are.
        """
        conditions, expressive = encoded.conditions, encoded.expressive
        if expressive is None:
            raise ValueError("encoded: expected to be told where the faces are, got None")
        for t in range(encoded.frames):
            guides = range(len(conditions.image_embeds))
            self._rows.append(
                {
                    "split": split,
                    "clip": self._clips,
                    "clip_id": batch.clip_id[0],
                    "subject_id": batch.subject_id[0],
                    "frame_index": int(batch.frame_index[0, t]),
                    "has_hole": bool(batch.mask[0, t].any()),
                    "latents": self._put(encoded.latents[t]),
                    "mask": self._put(conditions.mask[t]),
                    "masked_latents": self._put(conditions.masked_latents[t]),
                    "reference_latents": self._put(conditions.reference_latents[t]),
                    "expressive": self._put(expressive[t]),
                    "guide_latents": [self._put(conditions.guide_latents[t, g]) for g in guides],
                    "image_embeds": [self._put(conditions.image_embeds[g, t]) for g in guides],
                    "guide_valid": conditions.guide_valid[t].tolist(),
                }
            )
        self._clips += 1

    def finish(self, made: Mapping[str, Any]) -> None:
        """Write what is left, the table and ``cache.json``.

        Args:
            made: what the cache was made with, as JSON can hold it; see ``cache_contents``.
        """
        self._flush()
        write_table(pl.DataFrame(self._rows, schema=SCHEMA), self._folder / FRAMES_NAME)
        content = {"clips": self._clips, "frames": len(self._rows), "tensors": len(self._known)}
        info = {"version": FORMAT_VERSION, "made": dict(made), "content": content}
        (self._folder / INFO_NAME).write_text(
            json.dumps(info, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )

    def _put(self, tensor: Tensor) -> str:
        kept = tensor.detach().to("cpu", self._dtype).contiguous()
        content = kept.view(torch.uint8).numpy().tobytes() + str(tuple(kept.shape)).encode()
        key = hashlib.blake2b(content, digest_size=16).hexdigest()
        if key not in self._known:
            self._known.add(key)
            self._pending[key] = kept.clone()
            if sum(one.nbytes for one in self._pending.values()) >= self._shard_bytes:
                self._flush()
        return key

    def _flush(self) -> None:
        if self._pending:
            save_file(self._pending, self._folder / f"tensors-{self._shards:05d}.safetensors")
            self._pending = {}
            self._shards += 1


class EncodingCache:
    """Reads a cache; tensors are mapped from disk, not held.

    Args:
        folder: what ``python -m diffmvr.cache`` wrote.

    Attributes:
        made: what the cache was made with.
        table: one row a frame; see ``SCHEMA``.

    Raises:
        FileNotFoundError: if the folder or a file of it is missing.
        ValueError: if it is no cache, or of another version of the format.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        info = folder / INFO_NAME
        if not info.is_file():
            raise FileNotFoundError(
                f"encodings: there is no {INFO_NAME} in {folder}; write a cache with "
                "python -m diffmvr.cache output=FOLDER"
            )
        content = json.loads(info.read_text(encoding="utf-8"))
        if content.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"encodings: expected version {FORMAT_VERSION} of the format in {folder}, got "
                f"{content.get('version')}; write the cache again with python -m diffmvr.cache "
                "output=FOLDER"
            )
        self.made: dict[str, Any] = content["made"]
        self.table = read_table(folder / FRAMES_NAME)
        self._files = [
            safe_open(path, framework="pt") for path in sorted(folder.glob("tensors-*.safetensors"))
        ]
        self._file_of = {key: file for file in self._files for key in file.keys()}  # noqa: SIM118
        if len(self._file_of) != content["content"]["tensors"]:
            raise FileNotFoundError(
                f"encodings: {folder} holds {len(self._file_of)} of "
                f"{content['content']['tensors']} tensors; a tensors-*.safetensors file is "
                "missing, so write the cache again"
            )

    def __reduce__(self) -> tuple[type["EncodingCache"], tuple[Path]]:
        """Loading processes open the files for themselves."""
        return EncodingCache, (self._folder,)

    def read(self, rows: Sequence[int], guide: GuideSettings) -> EncodedBatch:
        """Return the encodings of the frames of one clip, as a model's guides want them.

        Args:
            rows: row numbers in the table.
            guide: whose guides; all of them are in the cache.
        """
        columns = self.table[list(rows)].to_dict(as_series=False)
        picks = [self.made["kinds"].index(kind) for kind in guide.kinds]

        def stack(name: str) -> Tensor:
            return torch.stack([self._tensor(key) for key in columns[name]])

        def stack_guides(name: str) -> Tensor:
            """``[N, G, …]``."""
            return torch.stack(
                [torch.stack([self._tensor(keys[g]) for g in picks]) for keys in columns[name]]
            )

        masked, reference = stack("masked_latents"), stack("reference_latents")
        embeds = stack_guides("image_embeds").transpose(0, 1)
        valid = torch.tensor([[one[g] for g in picks] for one in columns["guide_valid"]])
        conditions = Conditions(
            mask=stack("mask"),
            masked_latents=masked,
            guide_latents=stack_guides("guide_latents")
            if guide.uses_latents
            else masked.new_zeros(len(masked), 0, *masked.shape[1:]),
            image_embeds=embeds if guide.uses_attention else torch.zeros_like(embeds),
            guide_valid=valid if guide.uses_attention else torch.zeros_like(valid),
            reference_latents=reference if guide.uses_residual else torch.zeros_like(reference),
        )
        name = name_frames(columns["clip_id"][0], columns["frame_index"])
        return EncodedBatch(
            stack("latents"), conditions, clips=1, names=(name,), expressive=stack("expressive")
        )

    def _tensor(self, key: str) -> Tensor:
        tensor: Tensor = self._file_of[key].get_tensor(key)
        return tensor.float()
