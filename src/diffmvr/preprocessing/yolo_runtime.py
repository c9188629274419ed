"""ultralytics, confined: no telemetry, no network, no file outside one folder.

ultralytics (AGPL-3.0, the optional extra ``detect``) writes a settings file when it is imported,
sends usage events and looks for fonts, updates and weights on the network unless it is told not
to, and replaces ``torch.save`` and ``PIL.Image.open``.  Every import of it in diffmvr goes through
here.
"""

import atexit
import importlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

log = logging.getLogger(__name__)

_NOTICE = (
    "ultralytics is licensed under AGPL-3.0, and so are the detectors made with it; "
    "a service built on them must offer its source code"
)


class UltralyticsUnavailableError(ValueError):
    """The optional extra ``detect`` is not installed."""


def import_ultralytics(home: Path | None = None) -> None:
    """Import ultralytics so that it stays inside one folder and off the network.

    The first call of a process decides the folder; later calls do nothing.  If the program
    imported ultralytics itself before, its settings are left as they are, and a warning says so.

    Args:
        home: where its settings go, created if needed; by default a temporary folder that is
            removed when the process ends.

    Raises:
        UltralyticsUnavailableError: if it is not installed.
    """
    if "ultralytics" in sys.modules:
        if not getattr(sys.modules["ultralytics"], "_diffmvr_confined", False):
            log.warning(
                "ultralytics was imported before diffmvr could keep it off the network; "
                "set YOLO_OFFLINE=1 in the environment"
            )
        return
    if importlib.util.find_spec("ultralytics") is None:
        raise UltralyticsUnavailableError(
            "ultralytics is not installed; install the extra: pip install diffmvr[detect]"
        )
    if home is None:
        home = Path(tempfile.mkdtemp(prefix="diffmvr-ultralytics-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    home = home.resolve()
    (home / "Ultralytics").mkdir(parents=True, exist_ok=True)
    # It would look one up on the network.
    font = Path(
        str(importlib.import_module("matplotlib").get_data_path()), "fonts/ttf/DejaVuSans.ttf"
    )
    shutil.copyfile(font, home / "Ultralytics" / "Arial.ttf")

    wanted = {
        "YOLO_CONFIG_DIR": str(home),
        "YOLO_OFFLINE": "1",
        "YOLO_VERBOSE": "False",
        # No name in a description of a network is evaluated as code.
        "ULTRALYTICS_SAFE_LOAD": "1",
    }
    before = {name: os.environ.get(name) for name in (*wanted, "OMP_NUM_THREADS")}
    # It replaces both; its own way to open a picture installs packages.
    torch_save, open_image = torch.save, Image.open
    os.environ.update(wanted)
    try:
        package = importlib.import_module("ultralytics")
        settings: Any = importlib.import_module("ultralytics.utils").SETTINGS
        folders = {f"{name}_dir": str(home / name) for name in ("datasets", "weights", "runs")}
        # Off: telemetry and every logger it would start by itself.
        switches = {name: False for name, value in settings.items() if isinstance(value, bool)}
        settings.update({**switches, **folders})
    finally:
        torch.save, Image.open = torch_save, open_image
        _restore(before)
    package._diffmvr_confined = True  # type: ignore[attr-defined]
    log.warning(_NOTICE)


def _restore(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
