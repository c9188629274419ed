"""``python -m diffmvr.verify OUTPUT [public_key=FILE]``: is an output as it was made?

Ends with exit code 1 if anything was changed.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from omegaconf import DictConfig

from diffmvr.cli import entry_point
from diffmvr.parsing import read_settings, user_path
from diffmvr.provenance.signing import load_public_key
from diffmvr.provenance.verification import Finding, verify
from diffmvr.text import printable

CHANGED = 1
SHOWN = 20
"""How many changes are told one by one; json=true gives all."""


@dataclass(frozen=True)
class VerifySettings:
    """What ``conf/provenance/verify.yaml`` holds; every key is explained there."""

    input: str
    public_key: str | None = None
    film: str | None = None
    json: bool = False

    @classmethod
    def from_config(cls, config: DictConfig) -> "VerifySettings":
        """Check a composed configuration and wrap it.

        Raises:
            ValueError: naming the key that is missing or whose value has the wrong type.
        """
        needed = "an output folder, got none; give input=OUTPUT"
        return read_settings(cls, config, {"input": needed})


def check(settings: VerifySettings) -> list[Finding]:
    """Return what there is to say of an output; see ``diffmvr.provenance.verification.verify``."""
    key = None
    if settings.public_key is not None:
        key = load_public_key(user_path(settings.public_key)).public_bytes_raw()
    film = None if settings.film is None else user_path(settings.film)
    return verify(user_path(settings.input), key, film)


def told(findings: Sequence[Finding]) -> str:
    """Return findings as lines of text: what is in order and notes, changes, and the sum."""
    changed = [finding for finding in findings if finding.state == "changed"]
    shown = [finding for finding in findings if finding.state != "changed"] + changed[:SHOWN]
    lines = [f"{one.state}: {one.where}: {one.what}" for one in shown]
    if len(changed) > SHOWN:
        lines.append(f"and {len(changed) - SHOWN} more changes; json=true gives all")
    lines.append(f"{len(changed)} changes" if changed else "all is as it was made")
    return printable("\n".join(lines)) + "\n"


@entry_point("verify", "provenance")
def main(config: DictConfig) -> None:
    """Verify the output that the composed configuration names."""
    settings = VerifySettings.from_config(config)
    findings = check(settings)
    if settings.json:
        sys.stdout.write(json.dumps([asdict(one) for one in findings], indent=2) + "\n")
    else:
        sys.stdout.write(told(findings))
    if any(one.state == "changed" for one in findings):
        sys.exit(CHANGED)


if __name__ == "__main__":
    main()
