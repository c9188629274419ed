"""What an output does not hold of the pixels that were read, and what to do about it."""

from diffmvr.preprocessing.frame_source import BT709, UNSPECIFIED, Frame, VideoInfo

HOLDS = {
    "mp4": {"tags", "aspect"},
    "ffv1": {"depth", "tags"},
    "png": {"depth", "transparency", "profile"},
    "store": set[str](),
}
"""What each output keeps beyond 8-bit RGB; a store is what ``preprocess`` writes."""

_NAMES = {"mp4": "H.264", "ffv1": "FFV1", "png": "pictures", "store": "a clip store"}
_ORDINARY_TAGS = (0, BT709, UNSPECIFIED, 4, 5, 6, 7, 13)
"""Primaries and transfer curves of H.273 that an untagged picture is shown with, or nearly so."""


class PixelLosses:
    """Looks at the frames of a recording and says what an output does not keep of them.

    Args:
        info: of the recording.
        output: one of ``HOLDS``.
    """

    def __init__(self, info: VideoInfo, output: str) -> None:
        self._info = info
        self._output = output
        self._found: set[str] = set()
        if info.transparent:
            self._found.add("video transparency")
        if info.pixel_aspect != 1:
            self._found.add("aspect")
        if any(tag not in _ORDINARY_TAGS for tag in info.color[1:]):
            self._found.add("tags")

    def see(self, frame: Frame) -> None:
        """Look at one frame."""
        stored = frame.stored
        if stored is None:
            return
        if stored.deep:
            self._found.add("depth")
        if "transparency" not in self._found and stored.transparent:
            self._found.add("transparency")
        if stored.profiled:
            self._found.add("profile")

    def notes(self) -> list[str]:
        """Return one line for each thing that is lost, with what to do to keep it."""
        name, depth = _NAMES[self._output], f"{self._info.depth} bits"
        primaries, transfer = self._info.color[1:]
        texts = {
            "depth": f"the input's {depth} a channel are reduced to 8",
            "transparency": f"{name} holds no transparency: the colours below it are shown",
            "video transparency": "the video's transparency is not read: the colours below it are "
            "shown; to keep it, give the frames as PNG pictures and format=png",
            "profile": f"{name} holds no colour profile: the input's values are written without it",
            "tags": f"{name} cannot say that the colours have primaries {primaries} and transfer "
            f"{transfer} (ITU-T H.273): they look paler or darker",
            "aspect": f"the pixels' aspect of {self._info.pixel_aspect} is not stored in {name}",
        }
        held = HOLDS[self._output]
        notes = [texts[what] + self._remedy(what) for what in texts if what in self._found - held]
        if "depth" in self._found & held:
            notes.append(
                f"what is filled in has 8 bits a channel; the rest keeps the input's {depth}"
            )
        return notes

    def _remedy(self, what: str) -> str:
        keeping = [f"format={name}" for name, kept in HOLDS.items() if what in kept]
        if self._output == "store" or not keeping:
            return ""
        return f"; {' or '.join(keeping)} keeps it"
