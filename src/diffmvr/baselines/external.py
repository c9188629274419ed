"""FGVI (= E2FGVI) and PVI (= ProPainter): other people's programs, run on a clip store.

Their licences do not allow commercial use, so that none of their code is here: a user installs
them and names their folder.  A clip is written in DAVIS layout, ``JPEGImages/clip/00000.png`` and
``Annotations/clip/00000.png`` (255 = hidden), the program runs, and its frames are read back.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter

import cv2
import numpy as np

from diffmvr.baselines.program import ExternalToolError, run_program
from diffmvr.baselines.resizing import resize_images, resize_occluded, working_size
from diffmvr.checks import WeightsNotPresentError, check_number, check_one_of
from diffmvr.clip_store.layout import IMAGES, MASKS, mask_path, picture_path
from diffmvr.parsing import user_path
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.structures import Clip, UInt8Array

CLIP = "clip"
"""The clip's name in its store; whatever its own is, tools take names for kinds of files."""

PLACEHOLDERS = ("python", "folder", "frames", "masks", "output", "height", "width")


class ExternalTool:
    """A video inpainting program behind the ``Restorer`` interface.

    What was visible stays the clip's own, bit for bit, whatever the program does to it.

    Args:
        name: in the tables.
        command: words of the command; ``{python}``, ``{folder}``, ``{frames}``, ``{masks}``,
            ``{output}``, ``{height}`` and ``{width}`` stand for the interpreter, the program's
            folder, the folders of pictures and masks, an empty folder for results, and the size of
            the pictures.
        result: what it writes below ``{output}``: a folder of pictures, or a video.
        folder: where the program is installed.
        source: the command that fetches it, to be followed by a folder.
        needs: files below ``folder`` that must be there, each with the command that brings it;
            ``{path}`` in it stands for the file's place.
        python: interpreter of the environment that it was installed into.
        working_folder: where it runs; may hold placeholders.
        environment: variables for it; values may hold placeholders.
        min_side: clips whose short side is shorter are scaled up to it, in pixels.
        max_side: clips whose short side is longer are scaled down to it; ``None`` for no limit.
        multiple: both sides are made multiples of it.
        timeout: seconds for one clip.

    Raises:
        WeightsNotPresentError: if the program or a file that it needs is not there.
        ValueError: if a placeholder is unknown, a size makes no sense, or there is no interpreter.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        result: str,
        folder: str | Path | None = None,
        source: str = "git clone",
        needs: Mapping[str, str] | None = None,
        python: str = "python",
        working_folder: str = "{folder}",
        environment: Mapping[str, str] | None = None,
        min_side: int = 1,
        max_side: int | None = None,
        multiple: int = 8,
        timeout: float = 3600.0,
    ) -> None:
        check_number("multiple", multiple, 1, 1024)
        check_number("min_side", min_side, 1, 8192)
        check_number("timeout", timeout, 0.0, float("inf"))
        if max_side is not None:
            check_number("max_side", max_side, min_side, 8192)
        self.name = name
        self._environment = dict(environment or {})
        for template in (*command, working_folder, *self._environment.values()):
            for _, field, _, _ in Formatter().parse(template):
                if field is not None:
                    check_one_of(f"placeholder in {template!r}", field, PLACEHOLDERS)
        installed = _installed(name, folder, source, needs or {})
        found = shutil.which(python)
        if found is None:
            raise ValueError(
                f"baselines.{name}.python: there is no program {python!r}; give the interpreter "
                f"of the environment that {installed} was installed into"
            )
        # The program runs in another folder.  Links are kept: a virtual environment's is one.
        self._folder = installed.absolute()
        self._python = str(Path(found).absolute())
        self._command = list(command)
        self._result = result
        self._working_folder = working_folder
        self._min_side = min_side
        self._max_side = max_side
        self._multiple = multiple
        self._timeout = timeout

    def restore(self, clip: Clip) -> UInt8Array:
        """Return the clip with its holes filled, ``[T, H, W, 3]`` uint8.

        Raises:
            ExternalToolError: if the program fails on the clip, or returns other frames than it
                was given; the message names the clip.
        """
        restored = clip.observed.copy()
        if not clip.mask.any():
            return restored
        height, width = clip.observed.shape[1:3]
        size = self._size(height, width)
        with tempfile.TemporaryDirectory(prefix="diffmvr-") as scratch:
            root = Path(scratch)
            try:
                painted = self._run(*resize_occluded(clip.observed, clip.mask, size), root)
            except (ExternalToolError, ValueError, FileNotFoundError) as error:
                raise ExternalToolError(
                    f"{self.name} failed on clip {clip.clip_id!r}: {error}"
                ) from error
        hidden = clip.mask != 0
        restored[hidden] = resize_images(painted, (height, width))[hidden]
        return restored

    def _size(self, height: int, width: int) -> tuple[int, int]:
        short = max(min(height, width), self._min_side)
        if self._max_side is not None:
            short = min(short, self._max_side)
        return working_size(height, width, short, self._multiple)

    def _run(self, images: UInt8Array, masks: UInt8Array, root: Path) -> UInt8Array:
        """Run the program on ``[T, h, w, 3]`` pictures and return its own."""
        length, height, width, _ = images.shape
        _write_store(images, masks, root)
        output = root / "output"
        output.mkdir()
        values = {
            "python": self._python,
            "folder": self._folder,
            "frames": root / IMAGES / CLIP,
            "masks": root / MASKS / CLIP,
            "output": output,
            "height": height,
            "width": width,
        }
        run_program(
            [word.format(**values) for word in self._command],
            Path(self._working_folder.format(**values)),
            root / "log.txt",
            self._timeout,
            {key: value.format(**values) for key, value in self._environment.items()},
        )
        frames = [frame.image for frame in open_frames(output / self._result, "result")]
        if len(frames) != length or frames[0].shape != images[0].shape:
            got = f"{len(frames)} of {frames[0].shape[1]}x{frames[0].shape[0]}" if frames else "0"
            raise ExternalToolError(
                f"expected {length} frames of {width}x{height} in {self._result}, got {got}"
            )
        return np.stack(frames)


def _write_store(images: UInt8Array, masks: UInt8Array, root: Path) -> None:
    for folder in (IMAGES, MASKS):
        (root / folder / CLIP).mkdir(parents=True)
    for t, (image, mask) in enumerate(zip(images, masks, strict=True)):
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        for path, picture in (
            (picture_path(root, CLIP, t, ".png"), bgr),
            (mask_path(root, CLIP, t), mask * 255),
        ):
            path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _installed(name: str, folder: str | Path | None, source: str, needs: Mapping[str, str]) -> Path:
    """Return the program's folder if all that it needs is there."""
    key = f"baselines.{name}.folder"
    if folder is None:
        raise WeightsNotPresentError(
            f"weights not present: {key}=null; run `{source} FOLDER`, install it as its README "
            f"says, then give {key}=FOLDER and baselines.{name}.python=INTERPRETER"
        )
    path = user_path(folder)
    if not path.is_dir():
        raise WeightsNotPresentError(
            f"weights not present: {path}; run `{source} {path}` and install it as its README says"
        )
    for file, remedy in needs.items():
        wanted = path / file
        if not wanted.is_file():
            raise WeightsNotPresentError(
                f"weights not present: {wanted}; {remedy.format(path=wanted, folder=path)}"
            )
    return path
