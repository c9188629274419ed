"""The description of a YOLOv8 network, read so that nothing in it can run.

ultralytics evaluates the name of an activation as Python and looks a layer up among everything that
its module knows.  What this project writes needs seven layers and no activation, so nothing else
gets there.
"""

import reprlib
from pathlib import Path
from typing import Any

import yaml

HEADS = {False: "Detect", True: "Segment"}
LAYERS = ("Conv", "C2f", "SPPF", "nn.Upsample", "Concat", *HEADS.values())
TEXTS = ("None", "nearest", "nc")
"""What may stand for an argument beside numbers, true and false."""
KEYS = ("nc", "scales", "scale", "channels", "backbone", "head")
MAX_BYTES = 100_000
MAX_ROWS = 100
MAX_REPEATS = 100
MAX_NUMBER = 4096


def read_architecture(path: Path, segmentation: bool) -> dict[str, Any]:
    """Read a ``model.yaml``.

    Args:
        path: the file.
        segmentation: whether the network draws outlines.

    Returns:
        ``nc`` classes, ``scales`` (depth, width, most channels) by name, the ``scale`` taken, and
        the rows ``[from, repeats, layer, arguments]`` of ``backbone`` and ``head``.

    Raises:
        ValueError: if it holds anything else, or a layer other than ``LAYERS``.
    """
    if path.stat().st_size > MAX_BYTES:
        raise _refusal(path, "", f"at most {MAX_BYTES:,} bytes", path.stat().st_size)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"detector: {path}: not YAML ({told})") from error
    if not isinstance(content, dict):
        raise _refusal(path, "", f"settings {', '.join(KEYS)}", content)
    for key in content:
        if key not in KEYS:
            raise _refusal(path, "", f"no settings but {', '.join(KEYS)}", key)
    _check_scales(path, content)
    for key, least, most in (("nc", 1, 1000), ("channels", 3, 3)):
        if key in content or key == "nc":
            _check_whole(path, key, content.get(key), least, most)
    parts = [content.get("backbone"), content.get("head")]
    for key, rows in zip(("backbone", "head"), parts, strict=True):
        if not isinstance(rows, list) or not 0 < len(rows) <= MAX_ROWS:
            raise _refusal(path, key, f"1 to {MAX_ROWS} layers", rows)
    rows = [row for part in parts for row in part]  # type: ignore[union-attr]
    for index, row in enumerate(rows):
        _check_row(path, index, row)
    for index, row in enumerate(rows):
        if (row[2] == HEADS[segmentation]) != (index == len(rows) - 1) or (
            row[2] == HEADS[not segmentation]
        ):
            wanted = f"{HEADS[segmentation]} as the last layer and nowhere else"
            raise _refusal(path, f"layer {index}", wanted, row[2])
    return content


def _check_scales(path: Path, content: dict[str, Any]) -> None:
    scales = content.get("scales")
    if not isinstance(scales, dict) or not all(map(_is_scale, scales.values())):
        raise _refusal(path, "scales", "three positive numbers by name", scales)
    if not isinstance(content.get("scale"), str) or content["scale"] not in scales:
        raise _refusal(path, "scale", f"one of {reprlib.repr(list(scales))}", content.get("scale"))


def _is_scale(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(_is_number(value) for value in values)
        and 0 < values[0] <= 4
        and 0 < values[1] <= 4
        and 8 <= values[2] <= MAX_NUMBER
    )


def _check_row(path: Path, index: int, row: Any) -> None:
    place = f"layer {index}"
    if not isinstance(row, list) or len(row) != 4:
        raise _refusal(path, place, "[from, repeats, layer, arguments]", row)
    sources, repeats, layer, arguments = row
    # A list where several layers are joined, as in ultralytics.
    joins = layer in ("Concat", *HEADS.values())
    if isinstance(sources, list) != joins or sources == []:
        raise _refusal(path, place, "layers that exist before it", sources)
    for source in sources if isinstance(sources, list) else [sources]:
        _check_whole(path, f"{place}: from", source, -max(index, 1), index - 1)
    _check_whole(path, f"{place}: repeats", repeats, 1, MAX_REPEATS)
    if not isinstance(layer, str) or layer not in LAYERS:
        raise _refusal(path, place, f"one of the layers {', '.join(LAYERS)}", layer)
    if not isinstance(arguments, list):
        raise _refusal(path, f"{place}: arguments", "a list", arguments)
    for argument in arguments:
        plain = argument is None or isinstance(argument, bool) or argument in TEXTS
        if not plain and not (_is_number(argument) and 0 <= argument <= MAX_NUMBER):
            wanted = f"numbers from 0 to {MAX_NUMBER}, true, false, {', '.join(TEXTS)}"
            raise _refusal(path, f"{place}: arguments", wanted, argument)


def _check_whole(path: Path, key: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _refusal(path, key, f"a whole number from {least} to {most}", value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refusal(path: Path, key: str, expected: str, got: Any) -> ValueError:
    where = f"{path}: {key}" if key else str(path)
    return ValueError(
        f"detector: {where}: expected {expected}, got {reprlib.repr(got)}; give a folder that "
        "diffmvr.train_detector wrote"
    )
