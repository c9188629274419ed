"""What becomes of the frames' times in what is written, said in notes."""

from fractions import Fraction

from diffmvr.preprocessing.frame_clock import DEFAULT_RATE
from diffmvr.preprocessing.frame_source import Frame, VideoInfo


class TimeLosses:
    """Looks at the times of a recording as it is written.

    Args:
        info: the recording.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._rate = info.frame_rate
        self._step = 1 / (info.frame_rate * info.time_base)
        self._first: int | None = None
        self._count = 0
        self._even = True

    def see(self, frame: Frame) -> None:
        """Take note of the next frame."""
        self._first = frame.pts if self._first is None else self._first
        exact = self._first + self._count * self._step
        self._even = self._even and abs(exact - frame.pts) <= 1
        self._count += 1

    def notes(self, shift: Fraction | None) -> list[str]:
        """Say which times the files do not hold, and what does.

        Args:
            shift: by how many seconds a video moved a frame at most; ``None`` for pictures.
        """
        if shift is not None:
            if self._even or not shift:
                return []
            return [
                "Matroska holds times in milliseconds, so that some of the frames' varying times "
                f"are rounded by up to {1000 * float(shift):.2f} ms"
            ]
        if not self._even:
            return [
                "pictures have no times: those of the frames, which vary, are in report.json; "
                "format=mp4 keeps them"
            ]
        if self._rate != DEFAULT_RATE:
            return [f"pictures have no times: give fps={self._rate} to read them again"]
        return []
