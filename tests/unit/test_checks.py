"""Every check passes what it should and names what it should not pass."""

from pathlib import Path

import numpy as np
import pytest

from diffmvr.checks import (
    check_count,
    check_number,
    check_one_of,
    check_output_dir,
    check_range,
    check_same_shape,
    check_shape,
    check_unique,
)


def test_shape() -> None:
    check_shape("x", np.zeros((2, 3)), (None, 3))
    with pytest.raises(ValueError, match=r"x: expected shape \(any, 4\), got \(2, 3\)"):
        check_shape("x", np.zeros((2, 3)), (None, 4))
    with pytest.raises(ValueError, match=r"x: expected shape \(2\), got \(2, 3\)"):
        check_shape("x", np.zeros((2, 3)), (2,))


def test_same_shape() -> None:
    check_same_shape("a", np.zeros(2), "b", np.ones(2))
    with pytest.raises(
        ValueError, match=r"a and b must have the same shape, got \(2,\) and \(3,\)"
    ):
        check_same_shape("a", np.zeros(2), "b", np.zeros(3))


def test_range() -> None:
    check_range("x", np.array([-1.0, 1.0]), -1, 1)
    for bad in ([-1.5, 0.0], [0.0, 2.0], [0.0, np.nan]):
        with pytest.raises(ValueError, match=r"x: expected values in \[-1, 1\], got \["):
            check_range("x", np.array(bad), -1, 1)


def test_one_of() -> None:
    check_one_of("kind", "a", ("a", "b"))
    with pytest.raises(ValueError, match=r"kind: expected one of \['a', 'b'\], got 'c'"):
        check_one_of("kind", "c", ("a", "b"))


def test_number() -> None:
    check_number("n", 3, 1, 3)
    for bad in (0, 4, float("nan")):
        with pytest.raises(ValueError, match=rf"n: expected a number in \[1, 3\], got {bad}"):
            check_number("n", bad, 1, 3)


def test_output_dir(tmp_path: Path) -> None:
    new = tmp_path / "a" / "b"
    check_output_dir("output", new)
    assert new.is_dir() and not any(new.iterdir())
    check_output_dir("output", new)  # empty is as good as new
    (new / "file").touch()
    with pytest.raises(ValueError, match=r"output: .*b is not empty; give a new folder"):
        check_output_dir("output", new)
    with pytest.raises(ValueError, match=r"output: .*file is a file; give the path of a folder"):
        check_output_dir("output", new / "file")
    with pytest.raises(ValueError, match=r"output: cannot write to .*below \("):
        check_output_dir("output", new / "file" / "below")


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", float("nan"), None])
def test_a_count_is_a_whole_number(value: object) -> None:
    check_count("n", 3)
    check_count("n", None, optional=True)
    with pytest.raises(
        ValueError, match=rf"^n: expected a whole number of at least 1, got {value!r}"
    ):
        check_count("n", value)


def test_what_is_there_twice_is_named() -> None:
    check_unique("names", ["a", "b"])
    with pytest.raises(ValueError, match=r"^names: 'a' is there twice"):
        check_unique("names", ["a", "b", "a"])
