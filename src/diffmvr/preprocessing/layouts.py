"""Which recordings a path holds, and whose face each of them shows.

- ``"baby"``: videos, and stills, named by subject and state, as ``S024_Pain_20s.mp4`` (the paper's
  Baby set).
- ``"hof"``: a folder of still images and one of hand masks (the paper's HandOverFace set).
- ``"davis"``: ``JPEGImages/<clip>`` and, where present, ``Annotations/<clip>``.
- ``"regex"``: any naming, told by a regular expression with named groups.
- ``"auto"``: ``davis`` or ``baby`` where everything fits them; else each video, and each folder of
  pictures, is a recording of a person of its own.
"""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffmvr.checks import MAX_NAME_BYTES, check_one_of
from diffmvr.clip_store.layout import IMAGES, MASKS
from diffmvr.parsing import parse_pattern
from diffmvr.preprocessing.folder_contents import (
    VIDEO_SUFFIXES,
    FolderContents,
    list_left_out,
    sort_files,
)
from diffmvr.preprocessing.picture_folder import PICTURE_SUFFIXES, natural_key

log = logging.getLogger(__name__)

LAYOUTS = ("auto", "baby", "hof", "davis", "regex")
BABY_NAME = r"(?P<subject>[A-Za-z]+\d+)_(?P<state>[A-Za-z]+)(?:_.*)?"
"""Subject id and state, then whatever tells several recordings of them apart."""

REGEX_EXAMPLE = r"'(?P<subject>\d+)/(?P<clip>.*)_(?P<state>\w+)'"
HOF_IMAGES, HOF_MASKS = ("image", "img", "photo"), ("mask", "annotation", "label")
"""How the names of the two folders may begin, in any case."""

SEPARATOR = "__"
"""Stands for "/" in the name of a recording from a subfolder."""

DIGEST_LENGTH = 12

_FORBIDDEN = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]')


@dataclass(frozen=True)
class Recording:
    """One recording to preprocess.

    Attributes:
        name: unique among those found together, and a plain file name.
        path: a video, a folder of frames or one picture.
        subject: whose face it shows; splits go by it.
        state: what the naming says of it (``"Pain"``), or ``None``.
        masks: masks that lie beside it, or ``None``.
    """

    name: str
    path: Path
    subject: str
    state: str | None = None
    masks: Path | None = None


def find_recordings(
    root: Path, layout: str = "auto", pattern: str | None = None
) -> list[Recording]:
    """List the recordings of a file or folder, in natural order.

    Args:
        root: a video, a picture, a folder of frames, or a folder that holds any of them.
        layout: one of ``LAYOUTS``.
        pattern: for ``layout="regex"`` and no other: must match the whole path of each recording
            below ``root``, with "/" and without suffix.  Its group ``subject`` tells the person;
            ``state`` and ``clip`` (the recording's name) are optional.

    Raises:
        FileNotFoundError: if there is nothing at ``root``.
        ValueError: if it holds no recording, a name does not fit the layout, or two recordings
            have one name.
    """
    check_one_of("layout", layout, LAYOUTS)
    if (pattern is not None) != (layout == "regex"):
        raise ValueError(
            f"pattern: expected a regular expression with layout=regex and none without, got "
            f"layout={layout} and pattern={pattern!r}"
        )
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"input: there is no file or folder {root}; check the path")
    contents = FolderContents((), (), ())
    if layout not in ("hof", "davis") and not (layout == "auto" and (root / IMAGES).is_dir()):
        contents = _look_into(root)
    if layout == "auto":
        layout = _guess(root, contents)
    if layout == "hof":
        found = _hof(root)
    elif layout == "davis":
        found = _davis(root)
    else:
        expression = None
        if layout == "baby":
            expression = re.compile(BABY_NAME)
        elif pattern is not None:
            expression = parse_pattern("pattern", pattern, REGEX_EXAMPLE, ("state", "clip"))
        # In Baby only the file's own name counts; folders are free.
        found = [
            _named(root, path, expression, whole_path=layout == "regex")
            for path in _recordings_in(root, contents, stills=layout == "baby")
        ]
        list_left_out(root, contents.others, "because they are no recordings")
    if not found:
        raise ValueError(
            f"input: {root} holds no video ({', '.join(VIDEO_SUFFIXES)}) and no folder of "
            f"{' or '.join(PICTURE_SUFFIXES)} pictures for layout={layout}"
        )
    _check_names(found)
    return found


def check_outside(output: Path, root: Path) -> None:
    """Require results to lie elsewhere than below the folder that is searched for recordings.

    Raises:
        ValueError: if they would be taken for recordings the next time.
    """
    if root.resolve() in output.resolve().parents:
        raise ValueError(
            f"output: {output} lies in {root}, where its pictures would be taken for recordings "
            "the next time; give a folder outside, such as "
            f"output={root.resolve().with_name(output.name)}"
        )


def _guess(root: Path, contents: FolderContents) -> str:
    """Return the layout that everything below ``root`` fits."""
    if (root / IMAGES).is_dir():
        return "davis"
    videos = (root,) if root.is_file() else contents.videos
    if videos and all(re.fullmatch(BABY_NAME, path.stem) for path in videos):
        log.info("all %d videos are named SUBJECT_STATE: layout=baby", len(videos))
        return "baby"
    return "plain"


def _look_into(root: Path) -> FolderContents:
    """Sort the files in and below a folder; hidden ones are passed over."""
    return sort_files(
        path
        for path in (root.rglob("*") if root.is_dir() else ())
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _recordings_in(root: Path, contents: FolderContents, stills: bool) -> list[Path]:
    """List videos and folders of pictures (or each picture) in and below ``root``."""
    if root.is_file():
        return [root]
    pictures = set(contents.pictures)
    return _in_order(
        root,
        set(contents.videos) | (pictures if stills else {path.parent for path in pictures}),
    )


def _in_order(root: Path, paths: set[Path] | Sequence[Path]) -> list[Path]:
    return sorted(
        paths, key=lambda path: [natural_key(Path(p)) for p in path.relative_to(root).parts]
    )


def _named(
    root: Path, path: Path, expression: re.Pattern[str] | None, whole_path: bool
) -> Recording:
    """Tell a recording's name, subject and state from its path."""
    below = root.name if path == root else path.relative_to(root).as_posix()
    stem = below if path.is_dir() else below[: len(below) - len(path.suffix)]
    name = stem.replace("/", SEPARATOR)
    if expression is None:
        return Recording(plain_name(name), path, subject=plain_name(name))
    text = stem if whole_path else stem.rsplit("/", 1)[-1]
    match = expression.fullmatch(text)
    if match is None or not match["subject"]:
        raise ValueError(
            f"input: the name {text!r} of {path} does not tell a subject: expected a match of "
            f"{expression.pattern}; rename or move the file, or use layout=regex "
            "pattern='(?P<subject>...)...'"
        )
    groups = match.groupdict()
    return Recording(
        plain_name(groups.get("clip") or name), path, groups["subject"], groups.get("state") or None
    )


def _hof(root: Path) -> list[Recording]:
    """Pair still images with masks of the same name; each image is a person of its own."""
    images, masks = (
        _only_folder(root, starts, what)
        for starts, what in ((HOF_IMAGES, "images"), (HOF_MASKS, "masks"))
    )
    contents = _look_into(images)
    list_left_out(root, (*contents.videos, *contents.others), "because they are no pictures")
    hidden = {path.stem: path for path in _pictures(masks)}
    found = []
    for path in _in_order(images, _pictures(images)):
        if path.stem not in hidden:
            raise ValueError(
                f"input: {path} has no mask of its name in {masks}; add it, or remove the image"
            )
        name = plain_name(path.stem)
        found.append(Recording(name, path, subject=name, masks=hidden[path.stem]))
    return found


def _only_folder(root: Path, starts: tuple[str, ...], what: str) -> Path:
    folders = root.iterdir() if root.is_dir() else iter(())
    found = sorted(p for p in folders if p.is_dir() and p.name.lower().startswith(starts))
    if len(found) != 1:
        raise ValueError(
            f"input: layout=hof expects one folder of {what} in {root}, whose name begins with "
            f"{' or '.join(starts)}; got {[path.name for path in found]}"
        )
    return found[0]


def _pictures(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    ]


def _davis(root: Path) -> list[Recording]:
    """List the folders of frames below JPEGImages, with their folders of masks."""
    if not (root / IMAGES).is_dir():
        raise ValueError(f"input: layout=davis expects a folder {IMAGES} in {root}, got none")
    images, annotations = root / IMAGES, root / MASKS
    contents = _look_into(images)
    found = []
    for path in _in_order(images, {path.parent for path in contents.pictures} - {images}):
        below = path.relative_to(images)
        masks = annotations / below
        name = plain_name(SEPARATOR.join(below.parts))
        given = masks if masks.is_dir() else None
        found.append(Recording(name, path, subject=path.name, masks=given))
    loose = [path for path in contents.pictures if path.parent == images]
    left_out = (*contents.videos, *loose, *contents.others)
    list_left_out(root, left_out, "because layout=davis reads folders of pictures")
    return found


def plain_name(name: str) -> str:
    """Return a name that a file may have on any system.

    What is left out of a long one is told apart by a hash.
    """
    plain = _FORBIDDEN.sub("-", name).strip(". ") or "recording"
    if len(plain.encode()) <= MAX_NAME_BYTES:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:DIGEST_LENGTH]
    kept = plain.encode()[: MAX_NAME_BYTES - DIGEST_LENGTH - 1]
    return f"{kept.decode(errors='ignore')}-{digest}"


def _check_names(found: Sequence[Recording]) -> None:
    """Require names that differ, also where case does not count."""
    by_name: dict[str, list[Recording]] = defaultdict(list)
    for recording in found:
        by_name[recording.name.casefold()].append(recording)
    for same in by_name.values():
        if len(same) > 1:
            raise ValueError(
                f"input: {same[0].path} and {same[1].path} would both be called "
                f"{same[0].name!r}; rename one, or tell them apart by layout=regex and the group "
                "clip"
            )
