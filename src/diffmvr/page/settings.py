"""What ``python -m diffmvr.app`` can be told."""

import ipaddress
from dataclasses import dataclass

from omegaconf import DictConfig

from diffmvr.checks import check_number
from diffmvr.parsing import read_settings

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class AppSettings:
    """What ``conf/app/app.yaml`` holds; every key is explained there.

    Raises:
        ValueError: if a value is out of range, or other machines could come in without a token.
    """

    folder: str = "outputs/app"
    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    max_mib: int = 1024
    weights: str | None = None
    landmarker: str | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        check_number("port", self.port, 1, 65535)
        check_number("max_mib", self.max_mib, 1, 2**20)
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(
                f"token: expected at least {SHORTEST_TOKEN} characters, got {len(self.token)}; "
                "give a longer one, such as openssl rand -hex 16 makes"
            )
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"token: none is given, and host={self.host} lets other machines in; set "
                "DIFFMVR_APP_TOKEN, or leave host out to serve this machine alone"
            )

    @classmethod
    def from_config(cls, config: DictConfig) -> "AppSettings":
        """Check the types of a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = {
            "folder": "a folder for what is under way, got none; give folder=DIR",
            "host": "an address of this machine, got none; give host=127.0.0.1",
        }
        return read_settings(cls, config, needed)

    @property
    def overrides(self) -> list[str]:
        """What each restoration is told beside its recording, as ``key=value``."""
        passed = {
            "weights": self.weights,
            "landmarker": self.landmarker,
            "device": self.device,
            "threads": self.threads,
        }
        return [f"{key}={value}" for key, value in passed.items() if value is not None]


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host of that name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
