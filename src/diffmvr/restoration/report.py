"""What was done to a recording, as ``report.json`` (strict JSON: no NaN, no Infinity)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diffmvr.restoration.restored_frame import FrameRecord
from diffmvr.restoration.self_check import SelfCheck
from diffmvr.runs.facts import package_versions


@dataclass(frozen=True)
class RestorationReport:
    """A restoration as a whole.

    Attributes:
        input: name of the recording.
        mask: name of the masks.
        output: names of what was written, by kind (``video``, ``frames``, ``audio``, …).
        frame_rate: frames per second as an exact fraction, e.g. ``"30000/1001"``.
        size: width and height.
        seed: noise seed.
        steps: denoising steps.
        guide_kinds: the model's guides in order.
        guide_scales: α of each guide if the user chose them.
        own_guides: the user's pictures by the guide that they replace.
        model: the model folder.
        weights_sha256: hash of every weights file in it.
        settings: every setting of the run.
        self_check: how far the recording's own clear frames bear the model out, if that was asked
            for and there are enough.
        notes: what a reader should know.
        frames: one record a frame.
    """

    input: str
    mask: str
    output: dict[str, str]
    frame_rate: str
    size: tuple[int, int]
    seed: int
    steps: int
    guide_kinds: tuple[str, ...]
    guide_scales: list[float] | None
    own_guides: dict[str, str]
    model: str
    weights_sha256: dict[str, str]
    settings: dict[str, Any]
    self_check: SelfCheck | None
    notes: tuple[str, ...]
    frames: tuple[FrameRecord, ...]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        content = {
            "restored_frames": sum(frame.restored for frame in self.frames),
            **asdict(self),
            "versions": package_versions(),
        }
        # The long list comes last, one frame a line.
        rows = content.pop("frames")
        head = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        lines = ",\n    ".join(json.dumps(row, allow_nan=False, ensure_ascii=False) for row in rows)
        body = f'{head.removesuffix("}").rstrip()},\n  "frames": [\n    {lines}\n  ]\n}}\n'
        path.write_text(body, encoding="utf-8")
