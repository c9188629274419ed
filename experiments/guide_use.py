"""Which guide does a model use on real skin?  Each is withheld in turn, from London's test people.

    DIFFMVR_SHARED=FOLDER python experiments/guide_use.py \\
        --models shipped=src/diffmvr/weights/diffmvr-tiny trained=outputs/train/…/model

The clips are ``data=portraits`` of the fifteen people whom nobody trains with, at the model's size.
Frames count in which a tenth of the face is hidden and the last clear frame is known; *changed* are
those whose smile differs from that frame's by more than ``CHANGED``.  Writes ``table.csv`` and
``table.md``, and in ``facts.json`` what the autoencoder that ships keeps of clean frames.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import torch

from diffmvr.config import weights_dir
from diffmvr.data.frames import FrameDataset, stack_frames
from diffmvr.data.portraits import PortraitClips
from diffmvr.files import write_json
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.models.part_loading import load_vae
from diffmvr.models.vae import decode_latents, encode_latents
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.reference import occluded_share
from diffmvr.reporting.rendering import markdown_line
from diffmvr.structures import FloatArray, UInt8Array, to_pixel_values

SEED, CLIPS, SIDE, BATCH = 1, 2, 64, 32
HIDDEN, CHANGED = 0.1, 0.3
KINDS = ("symmetric", "past")
WITHHELD = {"both guides": None, "without the mirror": 0, "without the past": 1}


@dataclass(frozen=True, eq=False)
class Case:
    """A hidden frame: pictures ``[H, W, 3]`` uint8, its hole, its guides, its true blendshapes."""

    truth: UInt8Array
    hole: UInt8Array
    guides: UInt8Array
    valid: FloatArray
    shapes: FloatArray
    changed: bool


def read_shapes(reader: FaceLandmarker, image: UInt8Array) -> FloatArray:
    """Return the 52 blendshapes of a face, NaN where none is found."""
    face = reader.find(cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC))
    return np.full(52, np.nan) if face is None else np.asarray(face.blendshapes, float)


def hidden_frames(folder: Path, reader: FaceLandmarker) -> Iterator[Case]:
    """Yield the frames that count."""
    people = {"folder": folder, "seed": SEED, "people": "test", "clips_per_subject": CLIPS}
    source, builder = PortraitClips(size=SIDE, new_walls=0.6, **people), AutomaticGuides(KINDS)
    for index in range(len(source)):
        clip = source[index]
        guides = builder(clip)
        share = occluded_share(clip.mask, clip.track.face_box)
        for t in np.flatnonzero((share > HIDDEN) & (guides.past_index >= 0)).tolist():
            smile = np.asarray(clip.smile)
            changed = abs(smile[t] - smile[guides.past_index[t]]) > CHANGED
            shapes = read_shapes(reader, clip.frames[t])
            pictures = clip.frames[t], clip.mask[t], guides.images[t], guides.valid[t]
            yield Case(*pictures, shapes, bool(changed))


def restored(model: Path, cases: Sequence[Case], withheld: int | None) -> Iterator[UInt8Array]:
    """Yield what a model makes of frames, a guide withheld or not."""
    pipeline = DiffMVRPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    for first in range(0, len(cases), BATCH):
        batch = cases[first : first + BATCH]
        valid = torch.from_numpy(np.stack([one.valid for one in batch]).copy())
        if withheld is not None:
            valid[:, withheld] = False
        output = pipeline(
            to_pixel_values(np.stack([one.truth for one in batch])),
            torch.from_numpy(np.stack([one.hole for one in batch]))[:, None].float(),
            torch.stack([to_pixel_values(one.guides) for one in batch]),
            valid,
            generator=torch.Generator().manual_seed(0),
        ).pixel_values
        pixels = ((output + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        yield from pixels.permute(0, 2, 3, 1).numpy()


def score(
    name: str, cases: Sequence[Case], images: Sequence[UInt8Array], reader: FaceLandmarker
) -> dict[str, object]:
    """Return a row: pooled PSNR in the hole and blendshape error, of all frames and the changed."""
    errors, pixels, shapes = [], [], []
    for case, image in zip(cases, images, strict=True):
        hole = case.hole != 0
        whole = np.where(hole[..., None], image, case.truth)
        squares = (whole.astype(float) - case.truth)[hole] ** 2
        errors.append(squares.sum())
        pixels.append(squares.size)
        shapes.append(np.abs(read_shapes(reader, whole) - case.shapes).mean())
    error, size, shape = map(np.array, (errors, pixels, shapes))
    changed = np.array([case.changed for case in cases])
    row: dict[str, object] = {"restorer": name}
    for what, kept in (("", np.ones_like(changed)), (" changed", changed)):
        row[f"psnr_hole_pooled{what}"] = 10 * np.log10(
            255**2 * size[kept].sum() / error[kept].sum()
        )
        row[f"blendshape_error{what}"] = float(np.nanmean(shape[kept]))
        row[f"frames{what}"] = int(kept.sum())
    return row


@torch.no_grad()
def autoencoder_facts(folder: Path) -> dict[str, dict[str, float]]:
    """Return what the autoencoder keeps of clean frames, by their side: PSNR of whole frames."""
    vae = load_vae(weights_dir() / "tiny-base" / "vae")
    facts = {}
    for side in (SIDE, 2 * SIDE):
        people = {"folder": folder, "seed": SEED, "people": "test", "clips_per_subject": CLIPS}
        clips = PortraitClips(size=side, num_frames=8, **people)
        frames = FrameDataset(clips, 2, ["clean"])
        images, _ = stack_frames([frames[k] for k in range(len(frames))])
        errors = [
            (decode_latents(vae, encode_latents(vae, part)).clamp(-1, 1) - part).square()
            for part in images.split(BATCH)
        ]
        psnr = 10 * torch.log10(4 / torch.cat(errors).mean(dim=(1, 2, 3)))
        facts[str(side)] = {
            "frames": len(psnr),
            "mean": round(float(psnr.mean()), 2),
            "least": round(float(psnr.min()), 2),
        }
    return facts


def main() -> None:
    """Score the models that are named, and the guides alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/guide_use"))
    arguments = parser.parse_args()
    shared = os.environ.get(SHARED_VARIABLE)
    if not shared:
        parser.error(f"{SHARED_VARIABLE}: expected the folder that holds data/london, got none")
    torch.set_num_threads(1)
    folder = Path(shared) / "data" / "london"
    reader = FaceLandmarker(find_landmarker_bundle(None), blendshapes=True, video=False)
    cases = list(hidden_frames(folder, reader))
    rows = [score("the past guide alone", cases, [one.guides[1] for one in cases], reader)]
    rows.append(score("the mirror alone", cases, [one.guides[0] for one in cases], reader))
    for named in arguments.models:
        name, _, model = named.partition("=")
        for what, withheld in WITHHELD.items():
            made = list(restored(Path(model), cases, withheld))
            rows.append(score(f"{name}, {what}", cases, made, reader))
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame(rows)
    table.write_csv(arguments.output / "table.csv")
    (arguments.output / "table.md").write_text(_markdown(table), encoding="utf-8")
    changed = sum(case.changed for case in cases)
    facts = {
        "seed": SEED,
        "hidden_frames": len(cases),
        "share_changed": round(changed / len(cases), 3),
        "autoencoder_psnr": autoencoder_facts(folder),
    }
    write_json(arguments.output / "facts.json", facts)


def _markdown(table: pl.DataFrame) -> str:
    forms: dict[str, Callable[[object], str]] = {
        "psnr_hole_pooled": lambda value: f"{value:.2f}",
        "psnr_hole_pooled changed": lambda value: f"{value:.2f}",
        "blendshape_error": lambda value: f"{value:.4f}",
        "blendshape_error changed": lambda value: f"{value:.4f}",
    }
    head = ("Restorer", "PSNR hole, pooled", "changed", "Blendshape error", "changed")
    lines = [markdown_line(head), markdown_line(["---", *["---:"] * 4])]
    for row in table.iter_rows(named=True):
        lines.append(markdown_line([row["restorer"], *(f(row[key]) for key, f in forms.items())]))
    frames, changed = table["frames"][0], table["frames changed"][0]
    return "\n".join(lines) + f"\n\n{frames} hidden frames, {changed} of them changed.\n"


if __name__ == "__main__":
    main()
