"""``python -m diffmvr.doctor``: what this installation has, lacks, and does with the network.

Ends with exit code 1 if something is broken that the default path needs: ``make train`` and
``python -m diffmvr.restore``.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from huggingface_hub import constants
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diffmvr.cli import entry_point
from diffmvr.config import PACKAGE, config_dir, weights_dir
from diffmvr.health.finding import Finding, State
from diffmvr.health.packages import check_packages, installed
from diffmvr.health.privacy import check_licences, check_telemetry
from diffmvr.health.system import check_codecs, check_device, check_disk, check_graphics
from diffmvr.health.weights import (
    check_full_size,
    check_landmarker,
    check_metric_networks,
    check_shipped,
)
from diffmvr.parsing import user_path
from diffmvr.text import printable

log = logging.getLogger(__name__)

BROKEN = 1
STYLES: dict[State, str] = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "bold red"}


def examine(cfg: DictConfig) -> list[Finding]:
    """Look at everything.

    Args:
        cfg: the composed ``conf/doctor/doctor.yaml``.
    """
    versions = installed()
    constraints = PACKAGE.parents[1] / "constraints.txt"  # in a checkout
    return [
        *check_packages(constraints),
        *check_device(),
        *check_codecs(),
        *check_graphics(),
        *check_shipped(weights_dir()),
        *check_full_size(cfg.base),
        check_landmarker(cfg.landmarker),
        *check_metric_networks(config_dir(), user_path(cfg.metric_weights)),
        *check_telemetry(versions, config_dir()),
        *check_licences(versions),
        *check_disk(Path(cfg.output), Path(constants.HF_HUB_CACHE)),
    ]


def show(findings: Sequence[Finding], details: bool, console: Console) -> None:
    """Write findings as a table, and what to do about them beneath it.

    Args:
        findings: what was found.
        details: also what is in order, each by itself.
        console: where to.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("", "state", "what", "found"):
        table.add_column(column, overflow="fold")
    area = ""
    for finding in findings:
        if finding.state == "ok" and finding.area == "packages" and not details:
            continue
        head = finding.area if finding.area != area else ""
        area = finding.area
        style = STYLES[finding.state]
        table.add_row(
            head, f"[{style}]{finding.state}[/]", finding.name, escape(printable(finding.found))
        )
    console.print(table)
    told = [finding for finding in findings if finding.remedy and finding.state != "ok"]
    if told:
        console.print("\n[bold]What to do[/bold]")
    for finding in told:
        style = STYLES[finding.state]
        # Commands stay in one piece, to be copied.
        console.print(
            f"[{style}]{finding.name}[/]: {escape(printable(finding.remedy))}", soft_wrap=True
        )
    counts = {state: sum(finding.state == state for finding in findings) for state in STYLES}
    console.print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items() if count))


@entry_point("doctor", "doctor")
def main(cfg: DictConfig) -> None:
    """Examine this installation and report."""
    findings = examine(cfg)
    if cfg.json:
        content = json.dumps([asdict(finding) for finding in findings], indent=2)
        sys.stdout.write(content + "\n")
    else:
        show(findings, cfg.details, Console())
    if any(finding.state == "error" for finding in findings):
        sys.exit(BROKEN)


if __name__ == "__main__":
    main()
