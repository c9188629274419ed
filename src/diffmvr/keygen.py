"""``python -m diffmvr.keygen output=FOLDER``: make a pair of keys that sign and check manifests."""

import logging
from dataclasses import dataclass

from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.parsing import read_settings, user_path
from diffmvr.provenance.signing import make_keys

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeygenSettings:
    """What ``conf/provenance/keygen.yaml`` holds."""

    output: str

    @classmethod
    def from_config(cls, config: DictConfig) -> "KeygenSettings":
        """Check a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        return read_settings(cls, config, {"output": "a folder, got none; give output=FOLDER"})


@entry_point("keygen", "provenance")
def main(config: DictConfig) -> None:
    """Make the keys in the folder that the composed configuration names."""
    private, public = make_keys(user_path(KeygenSettings.from_config(config).output))
    log.info("%s signs (keep it to yourself), %s checks (give it to others)", private, public)


if __name__ == "__main__":
    main()
