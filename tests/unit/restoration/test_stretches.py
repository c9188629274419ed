"""Hidden frames in a row are told as one stretch, and pictures say it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tests.helpers.recordings import box_masks, moving_frames

from diffmvr.doubt.judgement import DoubtMap, FrameDoubt
from diffmvr.page_style import PAGE_STYLE
from diffmvr.preprocessing.frame_source import Frame
from diffmvr.restoration.contact_sheet import ContactSheet
from diffmvr.restoration.doubt_page import PAGE, TIMELINE, DoubtPage
from diffmvr.restoration.doubt_picture import bar_text, overlaid, with_bar
from diffmvr.restoration.report import FrameRecord, RestoredFrame
from diffmvr.restoration.stretches import stretches
from diffmvr.restoration.timeline import draw_timeline

IMAGE, MASK = moving_frames(1)[0], box_masks(1, arrival=0)[0]
SURE = FrameDoubt(8.0, (4.0, 16.0), 0.01, (0.005, 0.02), 1.5, 0.3, False, ())


def record(index: int, doubt: FrameDoubt | None) -> FrameRecord:
    square = (0.0, 0.0, 72.0)
    hidden = doubt is not None
    share = 0.2 if hidden else 0.0
    return FrameRecord(
        *(index, index / 4, hidden, share, None, None, {}, (), "box", "given"),
        *(square, square),
        doubt=doubt,
    )


def frame(doubt: FrameDoubt | None, half_width: float | None = None) -> RestoredFrame:
    mask = MASK if doubt is not None else np.zeros_like(MASK)
    there = None
    if half_width is not None:
        there = DoubtMap.of(np.full(MASK.shape, half_width), np.eye(2, 3))
    observed = Frame(0, 0, 1, IMAGE)
    return RestoredFrame(observed, observed, mask, record(0, doubt), there)


def recording() -> list[FrameRecord]:
    late = replace(SURE, expected_error=20.0, age=3.0, why=("62 % of the face is hidden",))
    later = replace(late, age=None, abstained=True, why=("63 % of the face is hidden", "other"))
    return [record(k, one) for k, one in enumerate([None, SURE, late, None, later, None])]


def test_each_run_of_hidden_frames_is_one_stretch() -> None:
    first, second = stretches(recording())
    assert (first.first, first.last, first.frames, first.abstained) == (0.25, 0.5, 2, 0)
    assert (first.expected_error, first.worst_error, first.age) == (14.0, 20.0, 3.0)
    assert first.why == ("62 % of the face is hidden",)
    # Without a clear view the age is not that of the other frames.
    assert (second.frames, second.abstained, second.age) == (1, 1, None)
    assert second.why == ("63 % of the face is hidden", "other")
    assert stretches([record(0, None)]) == []


def test_the_less_sure_a_pixel_the_more_orange_it_is() -> None:
    inside = MASK != 0
    weak, strong = overlaid(frame(SURE, 10.0)), overlaid(frame(SURE, 50.0))
    for picture in (weak, strong):
        np.testing.assert_array_equal(picture[~inside], IMAGE[~inside])
    blue = [float(picture[inside][:, 2].mean()) for picture in (IMAGE, weak, strong)]
    assert blue[0] > blue[1] > blue[2]
    np.testing.assert_array_equal(overlaid(frame(None)), IMAGE)


def test_the_bar_says_age_and_error_below_the_picture() -> None:
    assert bar_text(frame(SURE)) == (
        "00:00.0   clear view 1.5 s away",
        "expected error 8 (4 to 16) of 255",
    )
    withheld = replace(SURE, abstained=True, expected_error=None, error_interval=None, age=None)
    assert bar_text(frame(withheld)) == (
        "00:00.0   no clear view",
        "not restored: error cannot be told",
    )
    picture = with_bar(frame(SURE, 10.0))
    assert picture.shape[0] > IMAGE.shape[0]
    assert picture.shape[0] % 2 == IMAGE.shape[0] % 2
    np.testing.assert_array_equal(picture[: len(IMAGE)], overlaid(frame(SURE, 10.0)))


def test_the_contact_sheet_has_room_for_what_is_said() -> None:
    told, silent = ContactSheet(), ContactSheet()
    told.add(frame(SURE))
    silent.add(frame(None))
    assert told.image().shape[0] == silent.image().shape[0] + 40
    assert (told.image()[-40:] < 100).any()


def test_the_page_stands_alone_and_says_in_words_what_pictures_show(tmp_path: Path) -> None:
    records = recording()
    draw_timeline(records, tmp_path / TIMELINE)
    assert Image.open(tmp_path / TIMELINE).size[0] > 500
    page = DoubtPage(0.9)
    page.add(frame(replace(SURE, why=("<script>alert(1)</script>",)), 10.0))
    page.add(frame(None))
    page.write(tmp_path, records, "P<007>")
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "P&lt;007&gt;" in text
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "http" not in re.sub(r'http-equiv="', "", text)
    images = re.findall(r"<img[^>]*>", text)
    assert len(images) == 3
    assert all('alt="' in one for one in images)
    assert "3.0 s away" in text
    assert "62 % of the face is hidden" in text
    assert PAGE_STYLE in text
