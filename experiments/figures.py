"""Put the measured tables into the READMEs and draw the README's picture.

python experiments/figures.py
"""

import re
from pathlib import Path

import numpy as np

from diffmvr.config import weights_dir
from diffmvr.data.sources import SyntheticClips
from diffmvr.data.splits import split_indices
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.pipelines.restorer import DiffMVRRestorer
from diffmvr.preprocessing.guides import AutomaticGuides
from diffmvr.reporting import image_grid, save_png

HERE = Path(__file__).parent
PAGES = (HERE.parent / "README.md", HERE / "README.md")
# Test clips of different people, occluders and states; chosen before they were restored.
SHOWN_CLIPS = (0, 5, 11, 17)
SHOWN_FRAMES = (4, 8, 12)


def insert_tables() -> None:
    """Replace what stands between the markers of each page by the table's file."""
    for page in PAGES:
        text = page.read_text()
        for name in re.findall(r"<!-- table:(\w+) -->", text):
            table = HERE / "results" / name / "table.md"
            body = table.read_text().strip() if table.is_file() else f"*not measured yet: {name}*"
            text = re.sub(
                rf"(<!-- table:{name} -->\n).*?(<!-- /table:{name} -->)",
                lambda match, body=body: f"{match[1]}\n{body}\n\n{match[2]}",
                text,
                flags=re.DOTALL,
            )
        page.write_text(text)


def draw_restored() -> None:
    """Draw test people: occluded, guides, restored, truth."""
    source = SyntheticClips()
    test = split_indices(source.subject_ids)["test"]
    pipeline = DiffMVRPipeline.from_pretrained(weights_dir() / "diffmvr-tiny")
    guide_builder = AutomaticGuides(pipeline.guide_kinds)
    restorer = DiffMVRRestorer(pipeline, guide_builder)
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


if __name__ == "__main__":
    insert_tables()
    draw_restored()
