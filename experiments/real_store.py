"""Real faces with a hand composited over them: are mask, midline and past frame found?

    DIFFMVR_SHARED=FOLDER python experiments/real_store.py

Reads FOLDER/data/faces/*.mp4.  Each clip is scanned as it is, and with a moving hand that hides
20, 40 and 60 % of the face box; what is found is scored against what is known (the hand's outline,
the midline and the clear frames of the bare clip), for the people whose faces the detectors were
trained on and for the others apart.  Numbers go to ``--output``; the store of the
bare clips, with its contact sheets, goes to ``--store``, which stays outside the repository.
"""

import argparse
import logging
import os
import zlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from detectors import HELD_OUT_PEOPLE
from polars import col

from diffmvr.checks import check_number
from diffmvr.cli import run_cli
from diffmvr.clip_store import ClipStore
from diffmvr.data.synthetic.occluders import composite_occluder
from diffmvr.landmarker_bundle import SHARED_VARIABLE, find_landmarker_bundle
from diffmvr.preprocess import PreprocessSettings, preprocess
from diffmvr.preprocessing.backends import Backends, choose_backends, default_cleaning
from diffmvr.preprocessing.face import track_from_landmarks
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.preprocessing.frame_stream import FrameAndMask, sampled
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.preprocessing.reference import occluded_share, past_clear_index
from diffmvr.preprocessing.scene_layout import lay_out, mask_in_crop
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import FaceTrack, UInt8Array
from diffmvr.text import as_cells

log = logging.getLogger("real_store")

COVERS = (0.0, 0.2, 0.4, 0.6)
SIZE = 512
CLEAR = 0.005
FPS = Fraction(20)


def read_clip(path: Path, length: int) -> UInt8Array:
    """Return the first frames at 20 per second, ``[T, H, W, 3]``."""
    source = open_frames(path)
    pairs = ((frame, None) for frame in source)
    return np.stack(
        [f.image for f, _ in islice(sampled(pairs, source.info.time_base, FPS), length)]
    )


def true_track(frames: UInt8Array, bundle: Path) -> FaceTrack:
    """Track the bare face by its landmarks."""
    landmarker = FaceLandmarker(bundle)
    points = [landmarker.detect(frame) for frame in frames]
    landmarker.close()
    return track_from_landmarks(points, frames.shape[1:3])


def score(
    clip: str, frames: UInt8Array, track: FaceTrack, cover: float, backends: Backends
) -> list[dict[str, Any]]:
    """Hide a face, look for everything, and return one row a frame."""
    mask = np.zeros(frames.shape[:3], np.uint8)
    observed = frames
    if cover:
        seed = zlib.crc32(clip.encode())
        observed, mask, _ = composite_occluder(frames, track.face_box, seed, "hand", cover)
    shares = occluded_share(mask, track.face_box)
    past = past_clear_index(shares, CLEAR)

    def read() -> Iterator[FrameAndMask]:
        for index, image in enumerate(observed):
            yield Frame(index, index, 1, image), None

    cleaning = default_cleaning(backends.mask, SIZE)
    rows: dict[int, dict[str, Any]] = {
        t: {"clip": clip, "cover": cover, "frame": t, "kept": False, "hidden": bool(mask[t].any())}
        for t in range(len(frames))
    }
    for scene in backends.open_scanner().scan(read(), 1 / FPS):
        if not scene.sightings:
            continue
        layout = lay_out(scene.sightings, frames.shape[1:3], SIZE, cleaning.fill_gap)
        clear = -1
        for k, one in enumerate(scene.sightings):
            crop, t = layout.crops[k], one.index
            found = mask_in_crop(layout.masks[k], one.region, crop, cleaning)
            truth = crop.apply_mask(mask[t])
            box = layout.track.face_box[k : k + 1]
            share = float(occluded_share(found[None], box)[0])
            either = np.count_nonzero(found | truth)
            wrong = np.arctan2(track.midline[t, 3], track.midline[t, 2]) - np.arctan2(
                layout.track.midline[k, 3], layout.track.midline[k, 2]
            )
            rows[t] |= {
                "kept": True,
                "mask_iou": np.count_nonzero(found & truth) / either if either else None,
                "false_share": share if not mask[t].any() else None,
                "axis_source": layout.track.axis_source[k],
                "midline_error": abs(float(np.rad2deg(wrong))),
                "past_right": clear == past[t],
                "past_clear": clear < 0 or bool(shares[clear] <= CLEAR),
            }
            if share <= CLEAR:
                clear = t
    return list(rows.values())


def table_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row a cover: over the hidden frames, for the bare clips over all."""
    held_out = col("clip").is_in(list(HELD_OUT_PEOPLE))
    shown = rows.filter(col("hidden") | (col("cover") == 0)).with_columns(
        people=pl.when(held_out).then(pl.lit("held out")).otherwise(pl.lit("of training"))
    )
    return (
        shown.group_by("people", "cover")
        .agg(
            clips=col("clip").n_unique(),
            frames=pl.len(),
            kept=col("kept").mean(),
            mask_iou_mean=col("mask_iou").filter(col("hidden")).mean(),
            mask_iou_median=col("mask_iou").filter(col("hidden")).median(),
            false_alarms=(col("false_share") > 0).mean(),
            by_landmarks=(col("axis_source") == "landmarks").mean(),
            midline_median_deg=col("midline_error").median(),
            midline_p90_deg=col("midline_error").quantile(0.9),
            past_right=col("past_right").mean(),
            past_is_clear=col("past_clear").mean(),
        )
        .sort("people", "cover")
    )


def jitter_of(store: ClipStore) -> pl.DataFrame:
    """Return how much each clip's crop moves between frames, in shares of its side."""
    rows = []
    for clip in store.clip_ids:
        crops = store.crops(clip)
        side = store.info.size / crops[:, 0, 0]
        centre = ((store.info.size - 1) / 2 - crops[:, :, 2]) / crops[:, [0, 1], [0, 1]]
        step = np.linalg.norm(np.diff(centre, axis=0), axis=1) / side[1:]
        # What a straight path does not explain: the jitter of a moving head's crop.
        shake = np.linalg.norm(np.diff(centre, 2, axis=0), axis=1) / side[2:]
        rows.append(
            {
                "clip": clip,
                "frames": len(crops),
                "step_median": float(np.median(step)),
                "jitter_median": float(np.median(shake)),
                "jitter_max": float(shake.max()),
            }
        )
    return pl.DataFrame(rows)


def save(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV and Markdown."""
    as_cells(frame).write_csv(path.with_suffix(".csv"), float_precision=4)
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_hide_dataframe_shape=True,
        tbl_width_chars=200,
        float_precision=4,
    ):
        path.with_suffix(".md").write_text(f"{frame}\n", encoding="utf-8")


@run_cli
def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=48, help="frames of each clip (48)")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these, e.g. d0 s18")
    parser.add_argument("--face", default="auto", help="auto | yolo | mediapipe")
    parser.add_argument("--mask", default="segmentation", help="segmentation | bbox")
    parser.add_argument("--output", type=Path, default=Path("experiments/results/real_store"))
    parser.add_argument("--store", type=Path, help="also make the store of the bare clips here")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_number("--frames", arguments.frames, 8, 10_000)
    shared, bundle = os.environ.get(SHARED_VARIABLE), find_landmarker_bundle(None)
    if not shared or bundle is None:
        parser.error(f"{SHARED_VARIABLE}: expected the folder of data/faces and models, got none")
    faces = Path(shared) / "data" / "faces"
    backends = choose_backends(arguments.face, arguments.mask, landmarker=bundle)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for path in sorted(faces.glob("*.mp4")):
        if arguments.clips and path.stem not in arguments.clips:
            continue
        frames = read_clip(path, arguments.frames)
        track = true_track(frames, bundle)
        for cover in COVERS:
            rows += score(path.stem, frames, track, cover, backends)
        log.info("%s is scored", path.stem)
        scores = pl.DataFrame(rows, infer_schema_length=None)
        scores.write_parquet(arguments.output / "scores.parquet")
        save(table_of(scores), arguments.output / "table")
    if arguments.store:
        summary = preprocess(
            PreprocessSettings(
                str(faces), str(arguments.store), face=arguments.face, mask=arguments.mask
            )
        )
        save(jitter_of(ClipStore(summary.store)), arguments.output / "jitter")


if __name__ == "__main__":
    main()
