"""What is told of doubt, in words."""

from pathlib import Path
from typing import Any

from diffmvr.page.doubt import read_doubt, told_sentences
from diffmvr.page.wording import told_doubt


def row(time: float, error: float | None, *why: str) -> dict[str, Any]:
    doubt = {"expected_error": error, "why": list(why)}
    return {"time": time, "restored": True, "doubt": doubt}


def test_the_mean_the_worst_and_its_reasons_are_told() -> None:
    clear = {"time": 0.0, "restored": False, "doubt": None}
    said = told_sentences([clear, row(1, 4), row(65, 20, "a reason", "another"), row(70, None)])
    assert "by 12 of 255 grey levels on the mean, and by 20 at 01:05" in said[0]
    assert said[1] == "Why it is least sure there: a reason; another."
    assert said[2].startswith("Of 1 restored frame nobody can say")
    assert len(told_sentences([row(1, 4)])) == 1 and told_sentences([clear]) == []


def test_the_page_of_frames_runs_nothing_and_has_no_address(tmp_path: Path) -> None:
    assert read_doubt(tmp_path, [row(1, 4)]) is None and told_doubt(None) == ""
    (tmp_path / "timeline.png").write_bytes(b"png")
    (tmp_path / "doubt.html").write_text('<p title="a">&lt;b</p><script>x()</script>', "utf-8")
    doubt = read_doubt(tmp_path, [row(1, 4, "<i>reason")])
    page = told_doubt(doubt)
    assert 'sandbox=""' in page and "<script" not in page and "<i>" not in page
    assert "&lt;p title=&quot;a&quot;&gt;&amp;lt;b" in page and str(tmp_path) not in page
    assert read_doubt(tmp_path, [{"time": 0.0, "restored": False}]) is None


def test_what_nobody_can_say_comes_first_where_it_is_most() -> None:
    said = told_sentences([row(1, None), row(2, None), row(3, 4)])
    assert said[0].startswith("Of 2 restored frames nobody can say")
