"""A folder of pairs of pictures, and who of its people is kept for tests."""

from pathlib import Path

import pytest

from diffmvr.data.portraits.pictures import choose_test_people, find_pairs

LONDON = [f"{number:03d}" for number in range(1, 72)]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_pairs_are_found_by_name_and_other_files_do_not_matter(tmp_path: Path) -> None:
    names = ("b_b_neutral.png", "b_b_smiling.JPG", "a_smiling.jpeg", "a_neutral.jpg")
    touch(tmp_path, *names, "people.csv", "LICENCE.txt", "a_angry.jpg", ".a_neutral.jpg")
    pairs = find_pairs(tmp_path)
    assert [pair.person for pair in pairs] == ["a", "b_b"]
    assert [pair.neutral.name for pair in pairs] == ["a_neutral.jpg", "b_b_neutral.png"]
    assert pairs[1].smiling.name == "b_b_smiling.JPG"


def test_expressions_may_have_other_names(tmp_path: Path) -> None:
    touch(tmp_path, "x_rest.png", "x_pain.png")
    (pair,) = find_pairs(tmp_path, ("rest", "pain"))
    assert (pair.neutral.name, pair.smiling.name) == ("x_rest.png", "x_pain.png")


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ((), ValueError, r"expected pairs of pictures named PERSON_neutral.jpg and .*got none"),
        (("a_neutral.jpg",), FileNotFoundError, r"no picture a_smiling beside a_neutral.jpg; add"),
        (
            ("a_neutral.jpg", "a_neutral.png", "a_smiling.png"),
            ValueError,
            r"a_neutral.jpg and a_neutral.png are both a's picture called neutral",
        ),
        (("_neutral.jpg",), ValueError, r"expected a plain name"),
    ],
)
def test_what_is_missing_or_twice_is_named(
    tmp_path: Path, names: tuple[str, ...], error: type[Exception], message: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(error, match=message):
        find_pairs(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder: there is no folder .*gone; give"):
        find_pairs(tmp_path / "gone")


def test_fifteen_people_are_kept_for_tests_whatever_their_order() -> None:
    kept = choose_test_people(LONDON)
    assert len(kept) == 15 and set(kept) < set(LONDON)
    assert choose_test_people(LONDON[::-1]) == kept
    # Published: whoever trains elsewhere must keep off the same people.
    assert kept[:4] == ("004", "008", "016", "023")


def test_of_few_people_a_quarter_is_kept() -> None:
    assert [len(choose_test_people(LONDON[:count])) for count in (1, 3, 4, 9, 60)] == [
        *(0, 0, 1, 2, 15)
    ]


def test_a_new_person_takes_the_place_of_one_other_at_most() -> None:
    before = set(choose_test_people(LONDON))
    for name in ("new", "072", "x"):
        assert len(before - set(choose_test_people([*LONDON, name]))) <= 1
