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
