"""Stand-ins for ProPainter and E2FGVI: scripts with their command lines that fill by Telea."""

from pathlib import Path
from textwrap import dedent

READING = """
    import argparse
    import os
    import sys

    import cv2
    import numpy as np


    def read(folder, flags):
        names = sorted(os.listdir(folder))
        return [cv2.imread(os.path.join(folder, name), flags) for name in names]


    def fill(args):
        frames = read(args.video, cv2.IMREAD_COLOR)
        masks = read(args.mask, cv2.IMREAD_GRAYSCALE)
        assert len(frames) == len(masks)
        assert all(set(np.unique(mask)) <= {0, 255} for mask in masks)
        print("size", frames[0].shape)
        return [cv2.inpaint(f, m, 3.0, cv2.INPAINT_TELEA) for f, m in zip(frames, masks)]

"""

PROPAINTER = """
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", "--video", required=True)
    parser.add_argument("-m", "--mask", required=True)
    parser.add_argument("-o", "--output", default="results")
    parser.add_argument("--height", type=int, default=-1)
    parser.add_argument("--width", type=int, default=-1)
    parser.add_argument("--save_frames", action="store_true")
    args = parser.parse_args()
    for name in ("ProPainter", "recurrent_flow_completion", "raft-things"):
        assert os.path.isfile(f"weights/{name}.pth"), "it would download its weights"
    filled = fill(args)
    assert filled[0].shape[:2] == (args.height, args.width)
    folder = os.path.join(args.output, os.path.basename(args.video), "frames")
    os.makedirs(folder)
    for index, frame in enumerate(filled if args.save_frames else []):
        cv2.imwrite(os.path.join(folder, str(index).zfill(4) + ".png"), frame)
"""

E2FGVI = """
    parser = argparse.ArgumentParser(description="E2FGVI")
    parser.add_argument("-v", "--video", type=str, required=True)
    parser.add_argument("-c", "--ckpt", type=str, required=True)
    parser.add_argument("-m", "--mask", type=str, required=True)
    parser.add_argument("--model", type=str, choices=["e2fgvi", "e2fgvi_hq"])
    args = parser.parse_args()
    assert os.path.isfile(args.ckpt) and args.model == "e2fgvi_hq"
    assert os.environ["MPLBACKEND"] == "Agg", "it would open a window"
    flow = "hub/checkpoints/spynet_20210409-c6c1bd09.pth"
    assert os.path.isfile(os.path.join(os.environ["TORCH_HOME"], flow)), "it would download"
    filled = fill(args)
    height, width = filled[0].shape[:2]
    os.makedirs("results", exist_ok=True)
    name = os.path.join("results", args.video.split("/")[-1] + "_results.mp4")
    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"mp4v"), 24, (width, height))
    for frame in filled:
        writer.write(frame)
    writer.release()
"""


def install_propainter(folder: Path) -> Path:
    """Write a folder like a checkout of ProPainter with its weights."""
    names = ("ProPainter", "recurrent_flow_completion", "raft-things")
    return _install(
        folder,
        "inference_propainter.py",
        READING,
        PROPAINTER,
        [f"weights/{name}.pth" for name in names],
    )


def install_e2fgvi(folder: Path) -> Path:
    """Write a folder like a checkout of E2FGVI with its weights."""
    flow = "release_model/torch/hub/checkpoints/spynet_20210409-c6c1bd09.pth"
    weights = ["release_model/E2FGVI-HQ-CVPR22.pth", flow]
    return _install(folder, "test.py", READING, E2FGVI, weights)


def install_script(folder: Path, body: str) -> Path:
    """Write ``run.py``, which is the body after some imports."""
    return _install(folder, "run.py", "import os\nimport sys\n", body, [])


def _install(folder: Path, script: str, head: str, body: str, weights: list[str]) -> Path:
    folder.mkdir(parents=True)
    (folder / script).write_text(dedent(head) + dedent(body))
    for weight in weights:
        (folder / weight).parent.mkdir(parents=True, exist_ok=True)
        (folder / weight).touch()
    return folder
