"""The folder of one visitor: recordings, pictures, masks and results, until the page is closed."""

import re
import secrets
import shutil
import threading
import unicodedata
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from diffmvr.files import remove
from diffmvr.page.camera_run import CameraRun
from diffmvr.page.comparison import Pair
from diffmvr.page.correction import FoundPlan
from diffmvr.page.jobs import Job

MIB = 2**20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 60


@dataclass
class Workspace:
    """What one visitor has opened, corrected and restored.

    Attributes:
        root: the folder that all of it lies in.
        job: the command that runs for the visitor, or ran last.
        pairs: what is shown of each restored recording.
        plans: what was found in each recording that was looked at, and its corrections.
        masks: what hides the face, by recording, where the visitor has given it.
        faces: a point in the face that is meant, (x, y) in pixels, by recording, where the visitor
            has chosen one.
        camera: what restores the visitor's camera, or did last.
        wanted: whether what was asked for last is still wanted when its turn comes.
        lock: is held where a job is begun.
    """

    root: Path
    job: Job | None = None
    pairs: dict[str, tuple[Pair, ...]] = field(default_factory=dict)
    plans: dict[str, FoundPlan] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    faces: dict[str, tuple[int, int]] = field(default_factory=dict)
    camera: CameraRun | None = None
    wanted: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name in ("recordings", "pictures", "masks", "results"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @property
    def recordings(self) -> list[str]:
        """Names of the recordings, in order."""
        return sorted(path.name for path in (self.root / "recordings").iterdir())

    def recording(self, name: str) -> Path:
        """Return the file of a recording.

        Raises:
            ValueError: if there is none of that name.
        """
        if name not in self.recordings:
            raise ValueError(f"recording: there is none called {name!r}; open one first")
        return self.root / "recordings" / name

    def result(self, name: str) -> Path:
        """Return the folder of what a recording was restored to, which may be absent."""
        return self.root / "results" / self.recording(name).name

    def plan(self, name: str) -> Path:
        """Return the folder of where the face and what hides it were found; may be absent."""
        return self.root / "plans" / self.recording(name).name

    def give_mask(self, name: str, file: str | None, most: int = 1024) -> None:
        """Take what hides the face of a recording; what was found before is forgotten.

        Args:
            name: of the recording.
            file: path of the upload; ``None``: it is found again.
            most: largest file, in MiB.

        Raises:
            ValueError: if there is no such recording, or the file is empty or too large.
        """
        folder = self.plan(name)
        taken = self.take([file], "masks", most) if file else []
        if name in self.masks:
            remove(self.masks.pop(name))
        if taken:
            self.masks[name] = self.root / "masks" / taken[0]
        self.plans.pop(name, None)
        remove(folder)

    def choose_face(self, name: str, face: tuple[int, int] | None) -> None:
        """Take which face is meant; what was found before is forgotten.

        Args:
            name: of the recording.
            face: (x, y) in pixels, a point in it; ``None``: the largest.

        Raises:
            ValueError: if there is no such recording.
        """
        folder = self.plan(name)
        self.faces.pop(name, None)
        if face is not None:
            self.faces[name] = face
        self.plans.pop(name, None)
        remove(folder)

    def take(self, files: list[str], kind: str = "recordings", most: int = 1024) -> list[str]:
        """Move uploaded recordings into this folder; copy anything else, which is sent again.

        Pictures take the place of those that were there.

        Args:
            files: paths of the uploads.
            kind: ``"recordings"``, ``"pictures"`` or ``"masks"``.
            most: largest file, in MiB.

        Returns:
            Their names here: those of the files, in plain letters, and different from each other.

        Raises:
            ValueError: if a file is empty or too large; none is taken.
        """
        for file in map(Path, files):
            size = file.stat().st_size
            if size == 0:
                raise ValueError(f"{file.name}: the file is empty; was it copied to its end?")
            if size > most * MIB:
                raise ValueError(
                    f"{file.name}: {size / MIB:.0f} MiB, expected at most {most}; cut the "
                    "recording into parts, or start the page with a larger max_mib"
                )
        if kind == "pictures":
            for old in (self.root / kind).iterdir():
                old.unlink()
        names = []
        for file in map(Path, files):
            target = self.free_name(kind, file.name)
            bring = shutil.move if kind == "recordings" else shutil.copyfile
            bring(file, self.root / kind / target)
            names.append(target)
        return names

    def free_name(self, kind: str, name: str) -> str:
        """Return a plain name like the one that is given, which no file of that kind has."""
        plain = plain_name(name)
        stem, suffix, number = Path(plain).stem, Path(plain).suffix, 2
        while (self.root / kind / plain).exists():
            plain = f"{stem}-{number}{suffix}"
            number += 1
        return plain

    def packed(self, name: str) -> Path:
        """Return one file with all that a restoration wrote, to be downloaded.

        Raises:
            ValueError: if the recording was not restored.
        """
        folder = self.result(name)
        if not folder.is_dir():
            raise ValueError(f"{name}: it is not restored yet; press Restore first")
        target = folder.with_name(f"{Path(name).stem}-restored.zip")
        # Films and pictures are compressed already.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                if path.is_file() and not inside.parts[0].startswith("."):
                    archive.write(path, Path(folder.name) / inside)
        return target

    def forget(self, name: str) -> None:
        """Remove what a recording was restored to."""
        folder = self.result(name)
        for path in (folder, folder.with_name(f"{Path(name).stem}-restored.zip")):
            if path.exists():
                remove(path)

    def close(self) -> None:
        """End what runs, and remove everything."""
        if self.job is not None:
            self.job.cancel()
        if self.camera is not None:
            self.camera.close()
        shutil.rmtree(self.root, ignore_errors=True)


class Visitors:
    """The folders of all who have the page open, by what the browser calls its session.

    Args:
        root: the folder that they lie in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, Workspace] = {}
        self._lock = threading.Lock()

    def of(self, session: str) -> Workspace:
        """Return the folder of a session, a new one where it has none.

        Its name cannot be guessed: whoever knows it may read what is in it.
        """
        with self._lock:
            if session not in self._open:
                self._open[session] = Workspace(self.root / secrets.token_hex(16))
            return self._open[session]

    @property
    def busy(self) -> bool:
        """Whether something runs for anyone."""
        with self._lock:
            return any(one.job is not None and one.job.running for one in self._open.values())

    def leave(self, session: str) -> None:
        """End a session: what runs for it is ended, and its folder removed."""
        with self._lock:
            left = self._open.pop(session, None)
        if left is not None:
            left.close()

    def close(self) -> None:
        """End every session."""
        for session in list(self._open):
            self.leave(session)


def plain_name(name: str) -> str:
    """Return a file's name in letters, digits, dots and dashes, as any system takes it.

    >>> plain_name("Müller, Anna (2).MP4")
    'Muller-Anna-2.MP4'
    """
    path = Path(name)
    stem, suffix = _plain(path.stem)[:LONGEST_NAME].strip("-."), _plain(path.suffix)
    return (stem or "recording") + suffix


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", letters).strip("-")
