"""``experiments/calibrate_doubt.py``: from cases to a calibration, tables and a picture."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.helpers.doubt import FRAMES, witness

from diffmvr.doubt.model import DoubtModel
from diffmvr.files import read_json

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
LAW = {"always": 1.0, "disagreement": 0.8}
COUNTS = {"faces": 6, "grid": 5, "london_test": 4, "rendered": 44}


@pytest.fixture
def script() -> Iterator[Any]:
    """The script's module; it finds the others as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        import calibrate_doubt

        yield calibrate_doubt


def write_cases(folder: Path) -> None:
    """People whose errors follow one law, as restoring would leave them."""
    number = 0
    for source, count in COUNTS.items():
        (folder / source).mkdir(parents=True)
        for person in range(count):
            one = witness(number, LAW, expression=source in ("faces", "grid"))
            number += 1
            frames = np.column_stack(
                [
                    np.arange(FRAMES),
                    one.frame_error,
                    np.full(FRAMES, 100.0),
                    one.hidden_share,
                    one.age,
                    one.expression_error,
                ]
            )
            np.savez(
                folder / source / f"{person}.npz",
                person=str(person),
                features=one.features,
                errors=one.errors,
                frame=one.frame,
                frames=frames,
                seconds=np.array([2.0, 0.1]),
            )


def test_cases_become_a_calibration_and_what_it_is_worth(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cases(tmp_path / "cases")
    words = [
        *("--study", "--cases", str(tmp_path / "cases"), "--output", str(tmp_path / "results")),
        *("--calibrate", str(tmp_path / "calibration.json")),
    ]
    monkeypatch.setattr(sys, "argv", ["calibrate_doubt.py", *words])
    script.main()

    model = DoubtModel.from_file(tmp_path / "calibration.json")
    assert model.people == {"faces": 6, "grid": 5}
    assert model.weights_sha256
    rows = pl.read_csv(tmp_path / "results" / "people.csv").filter(pl.col("method") == "calibrated")
    # Nobody is tested twice, and nobody by a calibration that he or she had a part in.
    assert rows["person"].n_unique() == len(rows) == 6 + 5 + 4 + 16
    assert 0.88 <= rows["coverage"].mean() <= 0.99
    facts = read_json(tmp_path / "results" / "facts.json")
    assert facts["resplits"]["splits"] == 1000
    assert facts["cost"]["share"] == pytest.approx(0.1 / 1.9, abs=1e-3)
    risks = pl.read_csv(tmp_path / "results" / "risk.csv")
    bound = risks.filter(pl.col("kept by") == "the error itself (bound)")["mean_error"].to_numpy()
    ours = risks.filter(pl.col("kept by") == "expected error")["mean_error"].to_numpy()
    assert (ours >= bound - 1e-6).all()
    assert (tmp_path / "results" / "risk.png").stat().st_size > 10_000


def test_a_source_that_is_none_is_named(script: Any) -> None:
    with pytest.raises(ValueError, match=r"--people: expected SOURCE=N .* got 'davis=3'"):
        script.counts_of(["faces=2", "davis=3"])


def test_groups_of_people_are_counted_by_person_and_small_ones_are_said_to_be(script: Any) -> None:
    import doubt_groups

    people = pl.DataFrame(
        {
            "group": ["all"] * 8,
            "person": [*"abcdef", "a", "g"],
            "method": [*["calibrated"] * 6, "constant width", "calibrated"],
            "coverage": [0.8, 1.0, 0.9, 0.9, 0.9, 0.5, 0.0, 0.0],
            "half_width": [10.0] * 8,
            "mean_error": [5.0] * 8,
        }
    )
    traits = pl.DataFrame(
        {
            "person": [*"abcdef"],
            "age group": [*["under 25"] * 5, "35 and older"],
            "gender": [None] * 6,
            "skin tone": ["dark", *["very light"] * 5],
        }
    ).cast({"gender": pl.String})
    grouped = doubt_groups.by_trait(people, traits)
    assert grouped.select("trait", "value", "people").rows() == [
        *(("age group", "under 25", 5), ("age group", "35 and older", 1)),
        *(("skin tone", "very light", 5), ("skin tone", "dark", 1)),
    ]
    assert grouped["coverage"].to_list() == pytest.approx([0.9, 0.5, 0.84, 0.8])
    assert grouped["standard_error"].to_list()[1::2] == [None, None]
    circumstances = pl.DataFrame(
        {
            "group": ["all"],
            "circumstance": ["hidden share"],
            "from": [0.5],
            "to": [1.01],
            "people": [4],
            "coverage": [0.7],
            "half_width": [9.0],
        }
    )
    table = doubt_groups.groups_markdown(grouped, circumstances)
    assert "| under 25 | 5 | 0.900 ± 0.032 | 0.800 |" in table
    assert "| 35 and older | 1 (few) | 0.500 | 0.500 |" in table
    assert "| 50 to 100 % | 4 (few) | 0.700 |" in table


def test_skin_is_read_from_the_cheeks_alone(script: Any) -> None:
    import skin_tone

    points = np.full((478, 2), 50.0)
    # The face is 80 pixels wide; a cheek on each side.
    points[0], points[1] = (10, 50), (90, 50)
    points[[50, 205]], points[[280, 425]] = (30, 60), (70, 60)
    image = np.full((100, 100, 3), 20, np.uint8)
    assert skin_tone.skin_class(skin_tone.apparent_ita(image, points)) == "dark"
    image[54:67, 24:37] = image[54:67, 64:77] = (240, 210, 190)
    # By the definitions of sRGB and CIELAB (D65): L* 86.18, b* 13.76.
    assert skin_tone.apparent_ita(image, points) == pytest.approx(69.17, abs=0.2)
    with pytest.raises(ValueError, match="expected cheeks in the picture"):
        skin_tone.apparent_ita(image, points + 1000)
