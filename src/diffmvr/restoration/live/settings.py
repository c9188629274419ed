"""What ``python -m diffmvr.live`` can be told."""

from dataclasses import dataclass

from omegaconf import DictConfig

from diffmvr.checks import check_number
from diffmvr.parsing import read_settings
from diffmvr.restoration.settings import RestoreSettings

PACES = ("camera", "none")


@dataclass(frozen=True)
class LiveSettings(RestoreSettings):
    """What ``conf/restore/live.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is unknown or out of range.
    """

    lookahead: int = 0
    waiting: int = 2
    pace: str = "camera"
    seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("lookahead", self.lookahead, 0, 100_000)
        check_number("waiting", self.waiting, 1, 1000)
        if self.pace not in PACES:
            raise ValueError(f"pace: expected one of {', '.join(PACES)}, got {self.pace!r}")
        if self.seconds is not None:
            check_number("seconds", self.seconds, 0.1, 1e9)
        if self.past_selection.reach != "past":
            raise ValueError(
                "past.reach: what comes later is not known live, got 'both'; leave it out"
            )

    @classmethod
    def from_config(cls, config: DictConfig) -> "LiveSettings":
        """Check the types of a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = {
            "input": "a source, got none; give input=0 (camera), - (pipe), rtsp://… or a file",
            "output": "where to, got none; give output=FOLDER, - (pipe) or window",
        }
        return read_settings(cls, config, needed)
