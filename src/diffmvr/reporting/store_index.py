"""The index of a clip store: one HTML file that any browser opens from disk.

It loads nothing: pictures are embedded, and sorting is a few lines of script inside.  Only the
links to the contact sheets need the store's folder around it.
"""

import base64
import html
import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import polars as pl

from diffmvr.clip_store import ClipStore, sheet_path
from diffmvr.files import write_text
from diffmvr.page_style import PAGE_STYLE
from diffmvr.reporting.store_sheet import choose_frames, tile, tint

INDEX_NAME = "index.html"
THUMBNAIL = 88
"""Side of a picture in the index, in pixels."""

THUMBNAILS = 3
COURSE_POINTS = 120
"""Most points of the drawn course of the occluded share."""

COLUMNS = (
    "Clip",
    "Pictures",
    "Subject",
    "State",
    "Recording",
    "Frames",
    "Occluded, mean",
    "Occluded, most",
    "Course",
    "Clear frames",
    "With past frame",
    "Midline from",
    "Box from",
    "Mask from",
)


def write_index(store: ClipStore) -> Path:
    """Write ``index.html`` into a store.

    Args:
        store: the store; three pictures of each clip are read.

    Returns:
        The file.
    """
    return write_text(store.root / INDEX_NAME, index_page(store))


def index_page(store: ClipStore) -> str:
    """Return the HTML page: its clips, the most occluded first, and the frames skipped."""
    kept = store.manifest.filter(pl.col("frame").is_not_null())
    by_share = kept.group_by("clip").agg(pl.col("occluded_share").mean())
    clips = by_share.sort("occluded_share", "clip", descending=[True, False])["clip"].to_list()
    skipped = len(store.manifest) - len(kept)
    counts = (
        _counted(store.manifest["recording"].n_unique(), "recording"),
        _counted(store.manifest["subject"].n_unique(), "subject"),
        _counted(len(clips), "clip"),
        _counted(len(kept), "frame"),
        f"{_counted(skipped, 'frame')} skipped",
    )
    head = "".join(f'<th scope="col"><button>{name}</button></th>' for name in COLUMNS)
    body = "\n".join(_clip_row(store, clip) for clip in clips)
    name = html.escape(store.root.resolve().name)
    settings = html.escape(json.dumps(asdict(store.info), indent=2, ensure_ascii=False))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Clip store {name}</title>
<style>{PAGE_STYLE}{_STYLE}</style>
</head>
<body>
<h1>Clip store {name}</h1>
<p>{", ".join(counts)}; pictures of
{store.info.size} × {store.info.size} pixels. A frame is clear if at most
{store.info.clear_threshold:.1%} of the face box is hidden. Click a heading to sort.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Clips">
<table id="clips" class="sortable">
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
<h2>Frames skipped</h2>
{_skipped(store.manifest)}
<details><summary>How the store was made</summary><pre>{settings}</pre></details>
<p class="small">diffmvr {html.escape(version("diffmvr"))}</p>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def skipped_runs(manifest: pl.DataFrame) -> list[dict[str, Any]]:
    """Group skipped frames: runs of rows of one recording with one reason.

    Returns:
        ``recording``, ``reason``, ``frames`` (how many), ``first`` and ``last`` (numbers in the
        recording) and ``time`` (seconds, of the first) of each run, in the manifest's order.
    """
    skipped = pl.col("skip_reason").is_not_null()
    # A run ends where the recording or the reason changes; a kept frame has none.
    run = (
        (pl.col("recording") != pl.col("recording").shift()).fill_null(True)
        | pl.col("skip_reason").ne_missing(pl.col("skip_reason").shift())
    ).cum_sum()
    return (
        manifest.with_columns(run=run)
        .filter(skipped)
        .group_by("run", maintain_order=True)
        .agg(
            recording=pl.col("recording").first(),
            reason=pl.col("skip_reason").first(),
            frames=pl.len(),
            first=pl.col("source_frame").min(),
            last=pl.col("source_frame").max(),
            time=pl.col("source_time").min(),
        )
        .drop("run")
        .to_dicts()
    )


def _clip_row(store: ClipStore, clip: str) -> str:
    rows = store.rows(clip)
    share = rows["occluded_share"].to_numpy()
    recording = str(rows["recording"][0])
    sheet = sheet_path(store.root, recording)
    shown = html.escape(recording)
    if sheet.is_file():
        address = html.escape(quote(sheet.relative_to(store.root).as_posix()))
        shown = f'<a href="{address}">{shown}</a>'
    clear = float((share <= store.info.clear_threshold).mean())
    past = float((rows["past_index"] >= 0).mean())  # type: ignore[arg-type]
    cells = [
        _cell(html.escape(clip), clip),
        _cell(_pictures(store, clip, share), ""),
        _cell(html.escape(str(rows["subject"][0])), str(rows["subject"][0])),
        _cell(html.escape(rows["state"][0] or ""), rows["state"][0] or ""),
        _cell(shown, recording),
        _cell(str(len(rows)), len(rows)),
        _cell(f"{share.mean():.1%}", share.mean()),
        _cell(f"{share.max():.1%}", share.max()),
        _cell(_course(share), share.mean()),
        _cell(f"{clear:.0%}", clear),
        _cell(f"{past:.0%}", past),
        *(_cell(*_sources(rows[name])) for name in ("axis_source", "box_source", "mask_source")),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _counted(count: int, what: str) -> str:
    """Return ``1 clip``, ``2 clips``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _cell(content: str, key: str | float) -> str:
    """Return a cell and what it is sorted by."""
    text = key if isinstance(key, str) else f"{key:.9g}"
    kind = "" if isinstance(key, str) else ' class="number"'
    return f'<td{kind} data-key="{html.escape(text)}">{content}</td>'


def _sources(column: pl.Series) -> tuple[str, str]:
    """Return ``landmarks 92%, carried 8%`` as a cell's content and key."""
    counts = column.value_counts(sort=True).rows()
    text = ", ".join(
        str(name) if count == len(column) else f"{name} {count / len(column):.0%}"
        for name, count in counts
    )
    return html.escape(text), text


def _pictures(store: ClipStore, clip: str, share: np.ndarray) -> str:
    """Return a few frames side by side, what hides the face in red, as an embedded JPEG."""
    chosen = choose_frames(share, store.info.clear_threshold, THUMBNAILS).tolist()
    tiles = []
    for t in chosen:
        frame = store.read(clip, t, t + 1)
        tiles.append(tile(tint(frame.observed[0], frame.mask[0]), THUMBNAIL))
    strip = np.concatenate(tiles, axis=1)[..., ::-1]
    data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    code = base64.b64encode(data.tobytes()).decode()
    label = html.escape(f"frames {', '.join(map(str, chosen))} of {clip}")
    return (
        f'<img width="{strip.shape[1]}" height="{THUMBNAIL}" alt="{label}" title="{label}" '
        f'src="data:image/jpeg;base64,{code}">'
    )


def _course(share: np.ndarray) -> str:
    """Draw the occluded share over time; the top is 100 %."""
    picks = np.linspace(0, len(share) - 1, min(COURSE_POINTS, len(share))).astype(int)
    steps = np.linspace(0, 100, len(picks))
    points = " ".join(
        f"{x:.4g},{30 * (1 - share[t]):.4g}" for x, t in zip(steps, picks, strict=True)
    )
    return (
        '<svg width="100" height="31" role="img" aria-label="occluded share over time">'
        f'<polyline points="0,30 {points} 100,30"/></svg>'
    )


def _skipped(manifest: pl.DataFrame) -> str:
    """Return the table of skipped frames, or a sentence if there is none."""
    runs = skipped_runs(manifest)
    if not runs:
        return "<p>None.</p>"
    heads = ("Recording", "Reason", "Frames", "From", "To", "Time")
    head = "".join(f'<th scope="col"><button>{name}</button></th>' for name in heads)
    rows = "\n".join(f"<tr>{''.join(_skipped_cells(run))}</tr>" for run in runs)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Frames skipped">\n'
        f'<table id="skipped" class="sortable"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _skipped_cells(run: dict[str, Any]) -> Iterable[str]:
    yield _cell(html.escape(run["recording"]), run["recording"])
    yield _cell(html.escape(run["reason"]), run["reason"])
    for name in ("frames", "first", "last"):
        value = run[name]
        yield _cell("?" if value is None else str(value), -1 if value is None else value)
    time = run["time"]
    yield _cell("?" if time is None else f"{time:.2f} s", -1.0 if time is None else time)


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_STYLE = """
.scroll { max-height: 85vh }
thead th { position: sticky; top: 0; background: var(--paper); padding: 0; vertical-align: bottom }
th button { all: unset; cursor: pointer; padding: .3rem .6rem }
th button:focus-visible { outline: 3px solid var(--accent); outline-offset: -3px }
th[aria-sort=ascending] button::after { content: " ▲" }
th[aria-sort=descending] button::after { content: " ▼" }
td { vertical-align: middle }
td.number { text-align: right }
img { display: block }
polyline { fill: var(--alarm); fill-opacity: .6; stroke: var(--alarm) }
svg { border: 1px solid var(--line) }
pre { overflow-x: auto }
summary { cursor: pointer }
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    const compare = (a, b) => {
      const [one, other] = [a.cells[column], b.cells[column]];
      const [x, y] = [one.dataset.key, other.dataset.key];
      if (one.classList.contains("number")) return x - y;
      return x.localeCompare(y, undefined, { numeric: true });
    };
    const rows = [...body.rows].sort(compare);
    body.append(...(down ? rows.reverse() : rows));
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }));
}
"""
