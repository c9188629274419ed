"""Weights and widths found from restored frames whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers.doubt import witness

from diffmvr.doubt.conformal import coverage
from diffmvr.doubt.features import FEATURES
from diffmvr.doubt.fitting import fit, fit_weights
from diffmvr.doubt.model import DoubtModel

LAW = {"always": 1.0, "disagreement": 0.8, "age": 0.3}
PEOPLE = [witness(number, LAW) for number in range(30)]


def test_the_law_by_which_errors_came_is_found() -> None:
    usual = {name: {"median": 0.0, "high": 0.0, "most": 0.0} for name in FEATURES}
    weights = fit_weights(PEOPLE, usual)
    for name in FEATURES:
        assert weights[name] == pytest.approx(LAW.get(name, 0.0), abs=0.25 if name in LAW else 0.05)


def test_people_apart_are_covered_as_promised() -> None:
    model = fit(PEOPLE[:20])
    new = [one.scores(model.sigma(one.features.T)) for one in PEOPLE[20:]]
    assert 0.88 <= coverage(new, model.pixel_widths["0.90"]).mean() <= 0.92
    ratio = [one.frame_error / one.expected(model) for one in PEOPLE[20:]]
    assert np.exp(np.mean(np.log(ratio))) == pytest.approx(1, abs=0.05)
    assert model.people == {"made up": 20}
    assert max(model.pixel_widths) == "0.95"
    assert max(model.expression_widths) == "0.95"


def test_where_no_expression_was_measured_none_is_expected() -> None:
    model = fit([witness(number, LAW, expression=False) for number in range(10)])
    assert model.expression == model.expression_widths == {}
    assert model.expected_expression_error(0.5, 1.0, 10.0) is None


def test_more_of_a_feature_never_means_less_doubt() -> None:
    model = fit(PEOPLE[:10])
    features = PEOPLE[11].features.T.copy()
    before = model.sigma(features)
    for place in range(len(FEATURES)):
        more = features.copy()
        more[place] += 5
        assert (model.sigma(more) >= before - 1e-5).all()


def test_a_person_twice_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"expected different people, got \['person 0', 'person 0'"
    ):
        fit([PEOPLE[0], PEOPLE[0]])


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = fit(PEOPLE[:10], made_by="tests")
    assert DoubtModel.from_file(model.write(tmp_path / "calibration.json")) == model


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame_factor", -1.0, "frame_factor: expected a number ≥ 0"),
        ("weights", {"always": 1.0}, r"expected the features \['always', 'disagreement'"),
        ("pixel_widths", {}, "expected the same levels"),
        ("people", None, None),
        ("surprise", 1, "unexpected keyword argument 'surprise'"),
    ],
)
def test_a_file_that_is_no_calibration_is_one_clear_line(
    tmp_path: Path, name: str, value: object, message: str | None
) -> None:
    from diffmvr.files import read_json, write_json

    path = fit(PEOPLE[:10]).write(tmp_path / "mine.json")
    content = read_json(path)
    if message is None:
        del content[name]
        message = f"missing 1 required positional argument: '{name}'"
    else:
        content[name] = value
    write_json(path, content)
    with pytest.raises(ValueError, match=rf"doubt\.calibration: .*mine\.json is no .*{message}"):
        DoubtModel.from_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"doubt\.calibration: .*absent\.json is no file"):
        DoubtModel.from_file(tmp_path / "absent.json")
