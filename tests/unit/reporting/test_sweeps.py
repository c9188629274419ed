"""What a sweep varies is read from its runs; its settings are compared with the best."""

import logging
from pathlib import Path

import pytest
from tests.helpers.study import write_run

from diffmvr.reporting.run_collection import collect, find_runs
from diffmvr.reporting.sweeps import Sweep, find_sweeps


def run_of(
    folder: Path, weight: float, lift: float, seed: int = 0, reference: str = "zero"
) -> None:
    """A finished run of the sweep of λ whose scores are lifted."""
    settings = {"loss.motion.weight": weight, "loss.motion.reference": reference}
    place = folder / f"{reference}-{weight}-{seed}"
    write_run(place, "lambda", {"lambda": lift}, seed=seed, settings=settings)


def only(folder: Path) -> Sweep:
    (sweep,) = find_sweeps(find_runs([folder]))
    return sweep


def test_lines_points_and_the_best(tmp_path: Path) -> None:
    for reference, weight, lift in (("zero", 1.0, 0.0), ("zero", 0.1, 2.0), ("target", 0.1, 1.0)):
        run_of(tmp_path, weight, lift, reference=reference)
    sweep = only(tmp_path)

    names = ["reference zero, λ 0.1", "reference zero, λ 1", "reference target, λ 0.1"]
    assert sorted(point.name for point in sweep.points) == sorted(names)
    assert sweep.best.name == names[0]
    assert sweep.is_of_numbers


def test_settings_are_compared_with_the_best(tmp_path: Path) -> None:
    for weight, lift in ((0.0, 0.0), (0.3, 1.0), (1.0, -3.0)):
        run_of(tmp_path, weight, lift)
    table = only(tmp_path).table()

    assert table.reference == "λ 0.3"
    psnr = {row.restorer: row.cells[0] for row in table.rows}
    assert psnr["λ 0.3"].difference is None
    for name, difference in (("λ 0", -1.0), ("λ 1", -4.0)):
        assert psnr[name].difference.comparison.mean_difference == pytest.approx(difference)
        assert psnr[name].difference.comparison.verdict == "worse"


def test_settings_are_compared_on_the_seeds_that_all_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another seed may be worse than another setting: it counts for all or for none."""
    run_of(tmp_path, 0.0, 0.0)
    run_of(tmp_path, 1.0, 1.0)
    run_of(tmp_path, 1.0, -9.0, seed=1)
    with caplog.at_level(logging.WARNING):
        sweep = only(tmp_path)

    assert sweep.best.name == "λ 1"
    assert [point.seeds for point in sweep.points] == [[0], [0]]
    assert "more seeds than others; shown: [0]" in caplog.text


def test_settings_without_a_common_seed_are_refused(tmp_path: Path) -> None:
    run_of(tmp_path, 0.0, 0.0)
    run_of(tmp_path, 1.0, 0.0, seed=1)
    with pytest.raises(ValueError, match=r"sweep lambda: expected a seed .* 'λ 1': \[1\]"):
        only(tmp_path)


def test_one_setting_is_no_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_of(tmp_path, 1.0, 0.0)
    assert list(find_sweeps(find_runs([tmp_path]))) == []
    assert "varies nothing" in caplog.text


def test_a_sweeps_name_that_leads_out_of_the_report_is_refused(tmp_path: Path) -> None:
    for weight in (0.0, 1.0):
        settings = {"loss.motion.weight": weight}
        write_run(tmp_path / str(weight), "../../x", {"../../x": weight}, settings=settings)
    with pytest.raises(
        ValueError, match=r"run\.json\): expected a plain name .* got '\.\./\.\./x'"
    ):
        only(tmp_path)


def test_the_jobs_of_a_sweep_are_one_whatever_their_own_names(tmp_path: Path) -> None:
    for fusion, lift in (("fixed", 0.0), ("gated", 1.0)):
        name = f"dual-guide.fusion={fusion}"
        settings = {"guide.fusion": fusion}
        write_run(tmp_path / name, name, {name: lift}, settings=settings, sweep="dual")
    sweep = only(tmp_path)
    assert sweep.name == "dual" and sweep.best.name == "fusion gated"
    # As a study both stand beside each other.
    restorers = set(collect(find_runs([tmp_path])).rows["restorer"])
    assert restorers == {"dual-guide.fusion=fixed", "dual-guide.fusion=gated"}
