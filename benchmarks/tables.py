"""The figures of a report as Markdown tables, written beside its JSON."""

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def markdown(report: Mapping[str, Any]) -> str:
    """Return a table for every suite that was run."""
    machine = report["machine"]
    where = ", ".join(
        [
            machine.get("accelerator", machine["processor"]),
            f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}",
            f"torch {report['versions']['torch']}",
        ]
    )
    parts = [f"`{report['command']}`, {report['finished']}: {where}. Medians of repeats."]
    for suite, rows in report["results"].items():
        measured = [row for row in rows if "not_measured" not in row]
        skipped = [row for row in rows if "not_measured" in row]
        if measured:
            parts.append(f"## {suite.capitalize()}\n\n{_table(TABLES[suite], measured)}")
        parts += [f"{suite}, {r['size']}: not measured ({r['not_measured']})." for r in skipped]
    return "\n\n".join(parts) + "\n"


def _table(columns: Columns, rows: list[Row]) -> str:
    lines = [list(columns), ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[cell(row) for cell in columns.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of(name: str, form: str = "") -> Callable[[Row], str]:
    return lambda row: format(row[name], form)


def _model(row: Row) -> str:
    return f"{row['size']}, {row['pathway']}, {row['precision']}, {row['device']}"


def _seconds(timing: Row) -> str:
    """Return milliseconds with the quartiles, e.g. ``12.3 (11.9–14.0)``."""
    values = (timing[name] * 1000 for name in ("median", "lower_quartile", "upper_quartile"))
    median, low, high = (f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in values)
    return f"{median} ({low}–{high})"


def _shares(row: Row) -> str:
    """Return each stage's share of the whole, the largest first."""
    medians = {stage: values["median"] for stage, values in row["stages"].items()}
    whole = sum(medians.values())
    ordered = sorted(medians.items(), key=lambda item: -item[1])
    return ", ".join(f"{stage} {value / whole:.0%}" for stage, value in ordered)


def _stages(row: Row) -> str:
    """Return each stage's CPU milliseconds, in order."""
    stages = row.get("stages", {}).items()
    return ", ".join(f"{stage} {1000 * values['median']:.0f}" for stage, values in stages)


def _ratio(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row['ratios'][name]:.2f}×"


_RESTORING: Columns = {
    "Hidden": lambda row: f"{row['hidden_frames']} of {row['frames']}",
    "ms": lambda row: _seconds(row["seconds"]),
    "CPU ms": lambda row: _seconds(row["cpu_seconds"]),
    "Frames/s without the start": lambda row: (
        f"{row['frames_per_second_without_start']['median']:.1f}"
    ),
    "a CPU second": lambda row: f"{row['frames_per_cpu_second_without_start']['median']:.1f}",
    "Peak MiB": _of("peak_memory_mib", ".0f"),
    "CPU ms of stages": _stages,
}

TABLES: Mapping[str, Columns] = {
    "sampling": {
        "Model": _model,
        "Frames": _of("batch"),
        "Steps": _of("steps"),
        "ms": lambda row: _seconds(row["seconds"]),
        "Frames/s": _of("frames_per_second", ".1f"),
        "Peak MiB": _of("peak_memory_mib", ".0f"),
        "Stages": _shares,
    },
    "guides": {
        "Guide": _of("guide"),
        "Pixels": _of("pixels"),
        "ms a clip": lambda row: _seconds(row["seconds"]),
        "Frames/s": _of("frames_per_second", ".1f"),
    },
    "training": {
        "Model": _model,
        "Frames": _of("batch"),
        "Checkpointing": lambda row: "yes" if row["gradient_checkpointing"] else "no",
        "ms a step": lambda row: _seconds(row["seconds"]),
        "Images/s": _of("images_per_second", ".1f"),
        "from a cache": _of("images_per_second_from_cache", ".1f"),
        "Peak MiB": _of("peak_memory_mib", ".0f"),
        "Stages": _shares,
    },
    "loading": {
        "Form": _of("form"),
        "Pixels": _of("pixels"),
        "Frames/s": _of("frames_per_second", ".1f"),
        "of a raw decode": _of("share_of_raw_decode", ".1%"),
    },
    "preprocessing": {
        "Frames": _of("frames"),
        "ms a frame": lambda row: ", ".join(f"{k} {v:.1f}" for k, v in row["ms_per_frame"].items()),
        "Frames/s": _of("frames_per_second", ".1f"),
        "Peak MiB": _of("peak_memory_mib", ".0f"),
    },
    "restoring": {"Pixels": _of("pixels"), "Threads": _of("threads"), **_RESTORING},
    "references": {"Kept": _of("kept"), "Carried": _of("carried"), **_RESTORING},
    "comparison": {
        "Clip": _of("clip"),
        "Pathway": _of("pathway"),
        "Steps": _of("steps"),
        "Hidden": lambda row: f"{row['hidden_frames']} of {row['frames']}",
        "plain, ms": lambda row: _seconds(row["plain"]["seconds"]),
        "diffmvr, ms": lambda row: _seconds(row["diffmvr"]["seconds"]),
        "End to end": _ratio("end_to_end"),
        "by CPU time": _ratio("end_to_end_of_cpu_time"),
        "with finding guides": _ratio("with_finding_the_guides"),
        "U-Net": _ratio("unet"),
        "U-Net a frame": _ratio("unet_per_frame"),
        "Largest difference": _of("largest_difference", ".1e"),
    },
    "live": {
        "Pixels": _of("pixels"),
        "Captured": _of("captured"),
        "Shown": _of("shown"),
        "Dropped": _of("dropped"),
        "Frames/s": _of("frames_per_second"),
        "Latency p50, ms": lambda row: f"{1000 * row['latency_p50']:.0f}",
        "p95, ms": lambda row: f"{1000 * row['latency_p95']:.0f}",
        "MiB by the minute": lambda row: ", ".join(f"{one['mib']:.0f}" for one in row["memory"]),
        "Cores had": _of("cores_had", ".2f"),
        "Load": _of("load_average", ".1f"),
    },
    "startup": {
        "Command": _of("command"),
        "Call": _of("call"),
        "ms": lambda row: _seconds(row["seconds"]),
        "CPU ms": lambda row: _seconds(row["cpu_seconds"]),
    },
}
"""Columns of each suite's table."""
