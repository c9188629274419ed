"""Put the measured tables into the pages and draw their pictures.

python experiments/figures.py
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from page_tables import insert_tables

from diffmvr.baselines import get_restorer
from diffmvr.baselines.learned import LearnedInpainter
from diffmvr.config import weights_dir
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.splits import first_clips, split_indices
from diffmvr.data.synthetic.clip import SyntheticClip
from diffmvr.pipelines.crop_restorer import CropRestorer
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting import image_grid, save_png

HERE = Path(__file__).parent
# Test clips of different people, occluders and states; chosen before they were restored.
SHOWN_CLIPS = (0, 5, 11, 17)
SHOWN_FRAMES = (4, 8, 12)
GREY = 128
# Test people searched for a state, and shown of each.
SEARCHED_CLIPS = 16
CLIPS_OF_A_STATE = 3


def shipped() -> tuple[CropRestorer, AutomaticGuides]:
    """Build the model that ships, and what finds its guides."""
    pipeline = DiffMVRPipeline.from_pretrained(weights_dir() / "diffmvr-tiny")
    guide_builder = AutomaticGuides(pipeline.guide_kinds)
    return CropRestorer(pipeline, guide_builder), guide_builder


def draw_restored() -> None:
    """Draw test people: occluded, guides, restored, truth."""
    source = SyntheticClips()
    test = split_indices(source.subject_ids)["test"]
    restorer, guide_builder = shipped()
    columns = {name: [] for name in ("occluded", *guide_builder.kinds, "restored", "truth")}
    for shown in SHOWN_CLIPS:
        clip = source[test[shown]]
        guides = guide_builder(clip)
        frames = list(SHOWN_FRAMES)
        columns["occluded"].append(clip.observed[frames])
        for g, kind in enumerate(guide_builder.kinds):
            columns[kind].append(guides.images[frames, g])
        columns["restored"].append(restorer.restore(clip)[frames])
        columns["truth"].append(clip.frames[frames])
    rows = [(name, np.concatenate(parts)) for name, parts in columns.items()]
    save_png(image_grid(rows, upscale=2), HERE / "figures" / "restored.png")


def draw_pipeline() -> None:
    """Draw one clip on its way through the model: the paper's Figure 4."""
    source = SyntheticClips()
    clip = source[split_indices(source.subject_ids)["test"][SHOWN_CLIPS[0]]]
    restorer, guide_builder = shipped()
    guides = guide_builder(clip)
    hidden = np.flatnonzero(clip.mask.any(axis=(1, 2)))
    frames = hidden[np.linspace(0, len(hidden) - 1, min(8, len(hidden))).astype(int)]
    masked = clip.observed.copy()
    masked[clip.mask > 0] = GREY
    rows = [("recorded", clip.observed[frames]), ("masked", masked[frames])]
    rows += [
        (f"{kind} guide", guides.images[frames, g]) for g, kind in enumerate(guide_builder.kinds)
    ]
    rows += [("restored", restorer.restore(clip)[frames]), ("truth", clip.frames[frames])]
    labels = [f"frame {t}" for t in frames]
    save_png(image_grid(rows, upscale=2, column_labels=labels), HERE / "figures" / "pipeline.png")


def draw_comparison(study: Path) -> None:
    """Draw every restorer on babies in pain, moving and at rest: the paper's Figure 3.

    Args:
        study: folder of the six experiments' runs; DiffMVR as in the paper is drawn if it is there.
    """
    restorers = {"DiffMVR as it ships": shipped()[0]}
    paper = study / "dual_motion" / "segmentation" / "seed0" / "model"
    if paper.is_dir():
        pipeline = DiffMVRPipeline.from_pretrained(paper)
        restorers["DiffMVR (paper)"] = CropRestorer(pipeline, AutomaticGuides(pipeline.guide_kinds))
    for name in ("fourier-inpainter", "temporal-inpainter"):
        if (weights_dir() / name).is_dir():
            restorers[name] = LearnedInpainter(name, weights_dir() / name, "")
    restorers |= {name: get_restorer(name) for name in ("flow", "copy_past", "mirror", "telea")}
    source = SyntheticClips()
    test = split_indices(source.subject_ids)["test"]
    searched = [
        source[index] for index in first_clips(test, source.subject_ids, 1)[:SEARCHED_CLIPS]
    ]
    clips, labels, frames = [], [], []
    for state in ("pain", "move", "rest"):
        unseen = [clip for clip in searched if all(clip is not shown for shown in clips)]
        for clip, frame in hidden_in_state(unseen, state)[:CLIPS_OF_A_STATE]:
            clips.append(clip)
            frames.append(frame)
            labels.append(state)
    rows = [("occluded", np.stack([c.observed[t] for c, t in zip(clips, frames, strict=True)]))]
    for name, restorer in restorers.items():
        restored = [restorer.restore(c)[t] for c, t in zip(clips, frames, strict=True)]
        rows.append((name, np.stack(restored)))
    rows.append(("truth", np.stack([c.frames[t] for c, t in zip(clips, frames, strict=True)])))
    save_png(image_grid(rows, upscale=2, column_labels=labels), HERE / "figures" / "comparison.png")


def hidden_in_state(clips: Sequence[SyntheticClip], state: str) -> list[tuple[SyntheticClip, int]]:
    """Return the clips with a hidden frame in a state, and the most hidden such frame of each."""
    found = []
    for clip in clips:
        area = clip.mask.sum(axis=(1, 2)) * (np.array(clip.state) == state)
        if area.max() > 0:
            found.append((clip, int(area.argmax())))
    return found


if __name__ == "__main__":
    # Of --help, and of a mistake, nothing is written.
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    insert_tables()
    draw_restored()
    draw_pipeline()
    draw_comparison(HERE.parent / "outputs" / "study" / "six")
