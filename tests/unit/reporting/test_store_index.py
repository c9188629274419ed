"""The HTML index of a store."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers.stores import add_noise, store_info, write_store

from diffmvr.clip_store import ClipStore, ClipStoreWriter, sheet_path
from diffmvr.reporting.store_index import COLUMNS, THUMBNAIL, index_page, skipped_runs, write_index

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[tuple[str, dict[str, str | None]]]]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "table":
            self.rows = self.tables.setdefault(str(dict(attrs)["id"]), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append(("", dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            text, attributes = self.rows[-1].pop()
            self.rows[-1].append((text + data, attributes))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """Three clips of different occluded share, and frames skipped for two reasons."""
    root = tmp_path_factory.mktemp("s") / "store <1> & more"
    writer = ClipStoreWriter(root, store_info())

    def skip(out, source_frame, reason, time=None) -> None:
        row = {"subject": "anna", "skip_reason": reason, "source_frame": source_frame}
        out.add_frame(None, None, None, {**row, "source_time": time})

    with writer.recording("clear & bright") as out:
        for t in range(3):
            skip(out, t, "no face", t / 20)
        add_noise(out, "clear & bright", 10)
        skip(out, 13, "no face", 0.65)
        skip(out, None, "cannot be decoded: <EOF>")
    for name, hidden in (("half", range(5, 10)), ("tenth", range(9, 10))):
        with writer.recording(name) as out:
            add_noise(out, name, 10, "ben", hidden)
    with writer.recording("nobody") as out:
        skip(out, 0, "no face", 0.0)
    writer.finish()
    return ClipStore(root)


def test_what_there_is_is_counted(store: ClipStore, tmp_path: Path) -> None:
    expected = "4 recordings, 2 subjects, 3 clips, 30 frames, 6 frames skipped; pictures of"
    assert expected in " ".join(index_page(store).split())
    writer = ClipStoreWriter(tmp_path / "one", store_info())
    with writer.recording("a") as out:
        add_noise(out, "a", 1)
        out.add_frame(
            None, None, None, {"subject": "anna", "skip_reason": "no face", "source_frame": 1}
        )
    writer.finish()
    page = " ".join(index_page(ClipStore(tmp_path / "one")).split())
    assert "<p>1 recording, 1 subject, 1 clip, 1 frame, 1 frame skipped; pictures of" in page


def test_the_page_loads_nothing(store: ClipStore) -> None:
    text = index_page(store)
    for _, attributes in Page(text).seen:
        assert not {"srcset", "data", "action", "style"} & set(attributes)
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")
        assert not str(attributes.get("href", "")).startswith(("http", "//", "/", "file"))
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp", text)
    assert "default-src 'none'" in text


def test_what_strangers_wrote_into_a_store_stays_text_on_the_page(tmp_path: Path) -> None:
    writer = ClipStoreWriter(tmp_path, store_info(settings={"fps": "</pre><script>a()</script>"}))
    tag = "\"><script src='x'>a()</script>"
    with writer.recording("visit") as out:
        add_noise(out, "a", 1, subject=tag)
        skipped = {"subject": tag, "source_frame": 1, "skip_reason": tag}
        out.add_frame(None, None, None, skipped)
    writer.finish()
    page = Page(index_page(ClipStore(tmp_path)))
    assert [attributes for kind, attributes in page.seen if kind == "script"] == [{}]
    assert tag in [text for row in page.tables["clips"] for text, _ in row]


def test_one_row_a_clip_the_most_occluded_first(store: ClipStore) -> None:
    head, *rows = Page(index_page(store)).tables["clips"]
    assert [text for text, _ in head] == list(COLUMNS)
    assert [row[0][0] for row in rows] == ["half", "tenth", "clear & bright"]
    mean = COLUMNS.index("Occluded, mean")
    assert [row[mean][0] for row in rows] == ["10.0%", "2.0%", "0.0%"]
    # What the script sorts by is the number, not its text.
    keys = [float(str(row[mean][1]["data-key"])) for row in rows]
    np.testing.assert_allclose(keys, [0.1, 0.02, 0.0], atol=1e-9)
    assert all(row[mean][1]["class"] == "number" for row in rows)
    clear, past = COLUMNS.index("Clear frames"), COLUMNS.index("With past frame")
    assert [(row[clear][0], row[past][0]) for row in rows] == [
        ("50%", "90%"),
        ("90%", "90%"),
        ("100%", "90%"),
    ]
    assert rows[0][COLUMNS.index("Midline from")][0] == "landmarks"


def test_pictures_are_embedded(store: ClipStore) -> None:
    sources = [str(a["src"]) for tag, a in Page(index_page(store)).seen if tag == "img"]
    assert len(sources) == 3
    for source in sources:
        kind, code = source.split(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(code)))
        assert picture.size == (3 * THUMBNAIL, THUMBNAIL)


def test_skipped_frames_are_listed_with_their_reasons(store: ClipStore) -> None:
    runs = skipped_runs(store.manifest)
    assert [tuple(run.values()) for run in runs] == [
        ("clear & bright", "no face", 3, 0, 2, 0.0),
        ("clear & bright", "no face", 1, 13, 13, 0.65),
        ("clear & bright", "cannot be decoded: <EOF>", 1, None, None, None),
        ("nobody", "no face", 1, 0, 0, 0.0),
    ]
    _, *rows = Page(index_page(store)).tables["skipped"]
    texts = [[text for text, _ in row] for row in rows]
    assert texts[0] == ["clear & bright", "no face", "3", "0", "2", "0.00 s"]
    assert texts[2] == ["clear & bright", "cannot be decoded: <EOF>", "1", "?", "?", "?"]


def test_a_store_without_skipped_frames_says_so(tmp_path: Path) -> None:
    root = write_store(tmp_path, {"a": ("anna", 1, range(0))})
    page = Page(index_page(ClipStore(root)))
    assert "skipped" not in page.tables


def test_the_file_links_the_contact_sheets_that_are_there(store: ClipStore) -> None:
    sheet = sheet_path(store.root, "clear & bright")
    sheet.parent.mkdir()
    sheet.touch()
    path = write_index(store)
    assert path == store.root / "index.html"
    links = [a["href"] for tag, a in Page(path.read_text(encoding="utf-8")).seen if tag == "a"]
    assert links == ["sheets/clear%20%26%20bright.png"]
    # Writing it again replaces it, and the store is still whole.
    assert write_index(store) == path
    assert store.verify() == []
