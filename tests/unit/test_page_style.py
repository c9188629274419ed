"""One style for all pages: what is read can be read, in light and dark."""

import re
from collections.abc import Mapping

import pytest

from diffmvr.config import PACKAGE
from diffmvr.page_style import DARK, LIGHT, PAGE_STYLE, variables


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_read_can_be_read(colours: Mapping[str, str]) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for name in ("ink", "soft", "accent", "alarm", "care"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name


def test_light_and_dark_have_the_same_colours_and_no_other_is_used() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert variables(LIGHT) in PAGE_STYLE and variables(DARK) in PAGE_STYLE
    assert set(re.findall(r"var\(--(\w+)\)", PAGE_STYLE)) <= LIGHT.keys()


def test_no_page_has_a_style_of_its_own_that_names_colours() -> None:
    pages = [
        path
        for path in PACKAGE.rglob("*.py")
        if "<style>" in path.read_text(encoding="utf-8") or path.name == "style.py"
    ]
    assert len(pages) == 3
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert "page_style" in text, path.name
        assert not re.search(r"color: #|solid #|Canvas", text), path.name
