"""The page as a visitor uses it: open, restore, compare, download; cancel, reload, a wrong file."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import TOKEN, Served, opened_page, visitor


def upload(page: Any, *files: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files([str(file) for file in files])
    page.get_by_text("open.").and_(page.locator("#opened .told")).wait_for()


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def draw(page: Any) -> None:
    """Draw a line across the middle of the picture."""
    canvas = page.locator("#editor canvas").first
    canvas.wait_for()
    page.wait_for_timeout(1000)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 10, steps=4)
    page.mouse.up()


def running(page: Any) -> None:
    page.locator("#progress progress").wait_for()


def test_a_visitor_restores_a_recording_and_another_sees_nothing_of_it(
    page: Any, context: Any, film: Path, served: Served, tmp_path: Path
) -> None:
    upload(page, film)
    assert page.get_by_label("Recording", exact=True).input_value() == "Ward-3-bed-2.mp4"

    press(page, "Show the face and what hides it")
    page.get_by_text("Something hides the face in").wait_for()
    page.locator("#looked input[type=range]").press("Home")
    page.get_by_label("this frame", exact=True).check()
    page.wait_for_timeout(2000)
    draw(page)
    press(page, "What I drew is hidden")
    page.get_by_text("are corrected; now restore.").wait_for()

    press(page, "Restore")
    running(page)
    other = context.new_page()
    other.goto(served.address)
    other.get_by_text("No recording is open yet.").wait_for()
    assert other.get_by_label("Recording", exact=True).input_value() == ""
    other.close()

    done = page.get_by_text("Done.").or_(page.locator("#progress .error"))
    done.wait_for()
    assert done.inner_text() == "Done."
    # Before and after are shown, and another frame when it is asked for.
    pictures = page.locator("#compare img")
    pictures.first.wait_for()
    assert pictures.count() == 2
    shown = {one.get_attribute("src") for one in pictures.all()}
    assert all("before" in one or "after" in one for one in map(str, shown)) and len(shown) == 2
    first = pictures.first.evaluate("one => one.src")
    page.locator("#frame input[type=range]").press("Home")
    page.wait_for_function(
        "(old) => document.querySelector('#compare img').src !== old",
        arg=first,
    )
    assert "Frames restored" in page.locator("#facts").inner_text()
    # How sure it is: in words, as a picture, and a page of its own that has no address.
    doubt = page.locator("#doubt")
    assert "How sure it is" in doubt.inner_text() and doubt.locator("img").count() == 1
    doubt.locator("summary").press("Enter")
    inner = page.frame_locator("#doubt iframe").locator("h1")
    inner.wait_for()
    assert inner.inner_text() == "How sure: Ward-3-bed-2.mp4"
    film_src = page.locator("#film video").get_attribute("src") or ""
    assert film_src.endswith("concat.mp4")
    assert str(served.folder) not in page.locator("body").inner_text()

    with page.expect_download() as waiting:
        page.locator("#download").click()
    packed = tmp_path / "packed.zip"
    waiting.value.save_as(packed)
    names = {Path(name).name for name in zipfile.ZipFile(packed).namelist()}
    assert {"restored.mp4", "concat.mp4", "report.json", "manifest.json", "doubt.html"} <= names
    report = json.loads(zipfile.ZipFile(packed).read("Ward-3-bed-2.mp4/report.json"))
    assert report["mask"] == "corrected", "what was drawn is what was restored"
    # Neither the page nor what it started has asked anything of another machine.
    assert not served.asked.exists(), served.asked.read_text()


def test_only_who_has_the_token_comes_in(context: Any, served: Served) -> None:
    one = context.new_page()
    one.goto(served.address)
    for password in ("wrong", TOKEN):
        # A name that was given before is gone: Gradio empties the form.
        one.get_by_label("username").fill("a nurse")
        one.get_by_label("password").fill(password)
        assert context.request.get(f"{served.address}config").status == 401
        one.get_by_role("button", name="Login").click()
        if password == "wrong":
            one.get_by_text("Incorrect Credentials").wait_for()
    one.get_by_text("No recording is open yet.").wait_for()


def test_who_comes_second_is_told_to_wait_and_may_leave(
    page: Any, browser: Any, film: Path, served: Served
) -> None:
    upload(page, film)
    press(page, "Restore")
    running(page)
    with visitor(browser) as second:
        other = opened_page(second, served)
        upload(other, film)
        press(other, "Restore")
        told = other.locator("#progress .told")
        other.get_by_text("Waiting until the recording of another visitor is done.").wait_for()
        press(other, "Cancel")
        other.get_by_text("Cancelled.").wait_for()
        assert page.locator("#progress progress").is_visible(), "the first one's goes on"
        press(page, "Cancel")
        page.get_by_text("Cancelled.").wait_for()
        assert told.inner_text() == "Cancelled.", "what was cancelled does not begin after all"


def test_the_camera_is_restored_in_memory_alone(page: Any, served: Served) -> None:
    page.get_by_role("tab", name="Live camera").click()
    told = page.locator("#restored")
    assert "The camera is off." in told.inner_text()
    assert "Nothing is kept" in page.locator("body").inner_text()
    page.get_by_text("Click to Access Webcam").click()
    before = {*served.folder.rglob("*.*")}
    page.locator("#camera").get_by_role("button", name="capture photo").click()
    told.get_by_text("Loading what it needs").or_(told.locator("img")).first.wait_for()
    assert {*served.folder.rglob("*.*")} <= before, "no picture is written"


def test_cancel_ends_what_runs(page: Any, film: Path, served: Served) -> None:
    upload(page, film)
    press(page, "Restore")
    running(page)
    press(page, "Cancel")
    page.get_by_text("Cancelled.").wait_for()
    assert not page.locator("#compare").is_visible()


def test_a_wrong_file_is_told_in_one_line(page: Any, served: Served, tmp_path: Path) -> None:
    wrong = tmp_path / "letter.mp4"
    wrong.write_text("Dear Sir or Madam", encoding="utf-8")
    upload(page, wrong)
    press(page, "Restore")
    told = page.locator("#progress .error")
    told.wait_for()
    assert "letter.mp4" in told.inner_text() and "\n" not in told.inner_text().strip()
    assert str(served.folder) not in page.locator("body").inner_text()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="switches are counted in /proc")
def test_the_machine_rests_while_nobody_asks(page: Any, served: Served) -> None:
    woken = []
    # The quietest of some seconds: a page that has just come may still be asking for its parts.
    for _ in range(4):
        before = switches(served.process.pid)
        page.wait_for_timeout(1000)
        woken.append(switches(served.process.pid) - before)
    assert min(woken) < 200, woken


def switches(process: int) -> int:
    """How often the threads of a process have gone to sleep."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))


def test_nothing_open_is_told(page: Any) -> None:
    press(page, "Restore")
    page.get_by_text("Open a recording first").wait_for()


def test_a_page_that_is_loaded_again_begins_anew(page: Any, film: Path, served: Served) -> None:
    upload(page, film)
    press(page, "Restore")
    running(page)
    (own,) = [one for one in served.visitors if [*(one / "recordings").glob("Ward*")]]
    page.reload()
    page.get_by_text("No recording is open yet.").wait_for()
    for _ in range(300):
        if not own.exists():
            break
        page.wait_for_timeout(100)
    assert not own.exists(), "what was uploaded is removed, and what ran is ended"
