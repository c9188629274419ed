from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.helpers.study import EXPERIMENTS, FLOOR, SUBJECTS, write_run, write_study

from diffmvr.reporting.run_collection import collect, find_runs, load_collection, save_collection


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


def test_every_finished_run_is_found(study: Path) -> None:
    runs = find_runs([study])
    assert len(runs) == 2 * 2 * len(EXPERIMENTS) + 2
    assert runs[0].name == "six/baseline/bbox/seed0" and runs[0].record.name == "baseline"
    whole = collect(runs)
    assert set(whole.rows["restorer"]) == {*EXPERIMENTS, *FLOOR, "diffmvr"}
    assert whole.rows.height == 2 * SUBJECTS * (2 * len(EXPERIMENTS) + len(FLOOR) + 1)
    assert whole.missing == {"lama": "weights not present: big-lama.pt; fetch it"}
    assert whole.distances is not None and whole.distances.height == 2 * 2 * (12 + 4)


def test_a_run_that_has_not_finished_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "done", "dual", {"dual": 0.0})
    half = write_run(tmp_path / "half", "motion", {"motion": 0.0})
    (half / "run.json").unlink()
    assert [run.name for run in find_runs([tmp_path])] == ["done"]
    with pytest.raises(FileNotFoundError, match=rf"source: no finished run below {half}"):
        find_runs([half])
    with pytest.raises(FileNotFoundError, match="source: no folder nowhere"):
        find_runs([Path("nowhere")])
    with pytest.raises(ValueError, match="runs: expected at least one finished run"):
        collect([])


def test_a_collection_holds_everything(study: Path, tmp_path: Path) -> None:
    runs = find_runs([study])
    save_collection(runs, tmp_path / "rows")
    back = load_collection(tmp_path / "rows")
    assert [run.name for run in back] == [run.name for run in runs]
    for before, after in zip(runs, back, strict=True):
        assert after.record == before.record and after.missing == before.missing
        assert_frame_equal(after.rows, before.rows)
        for part in ("distances", "curves", "frames"):
            own, kept = getattr(before, part), getattr(after, part)
            assert (own is None) == (kept is None), part
            if own is not None:
                assert_frame_equal(kept, own)
    # Both together are the same study once more: equal rows count once.
    assert collect([*runs, *back]).rows.height == collect(runs).rows.height
    (tmp_path / "rows" / "scores.parquet").unlink()
    with pytest.raises(FileNotFoundError):
        find_runs([tmp_path])


def test_what_two_runs_scored_alike_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"a": 1.0, "telea": 0.0}, seeded=False)
    write_run(tmp_path / "b", "b", {"b": 1.0, "telea": 0.0}, seeded=False)
    rows = collect(find_runs([tmp_path])).rows
    assert rows.filter(restorer="telea").height == SUBJECTS


def test_what_two_runs_scored_differently_is_an_error(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"diffmvr": 1.0})
    write_run(tmp_path / "b", "b", {"diffmvr": 2.0})
    message = r"runs: \['a', 'b'\] measured .*psnr_hole.* of .*'diffmvr'.* differently"
    with pytest.raises(ValueError, match=message):
        collect(find_runs([tmp_path]))


def test_two_networks_under_one_name_are_an_error(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"a": 1.0})
    write_run(tmp_path / "b", "b", {"b": 1.0}, digest="9876543210fedcba")
    message = (
        r"fd_clip_tiny was measured by clip_tiny \(abcdef012345\) in a .*\(9876543210fe\) in b"
    )
    with pytest.raises(ValueError, match=message):
        collect(find_runs([tmp_path]))


def test_who_has_scores_is_not_missing(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"a": 1.0}, missing={"lama": "weights not present: X"})
    assert collect(find_runs([tmp_path])).missing == {"lama": "weights not present: X"}
    write_run(tmp_path / "b", "b", {"lama": 1.0})
    assert collect(find_runs([tmp_path])).missing == {}


def test_curves_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "a", {"a": 1.0})
    (run / "metrics-1.csv").write_text("step,epoch,train/loss_denoising\n5,0,4.0\n10,0,9.0\n")
    (found,) = find_runs([tmp_path])
    assert found.curves is not None
    curve = found.curves.filter(metric="train/loss_denoising")
    assert curve["step"].to_list() == [5, 10, 20, 30]
    assert curve["value"].to_list() == [4.0, 3.0, 2.0, 1.0], "of a repeated step the later value"
    pl.DataFrame({"epoch": [0]}).write_csv(run / "metrics.csv")
    with pytest.raises(ValueError, match="expected a column 'step'"):
        find_runs([tmp_path])


def test_brackets_in_a_runs_folder_do_not_read_its_neighbour(tmp_path: Path) -> None:
    write_run(tmp_path / "run1", "dual", {"dual": 0.0}, seed=1)
    write_run(tmp_path / "run[1]", "motion", {"motion": 0.0}, seed=2)
    found = {run.name: run for run in find_runs([tmp_path])}
    assert set(found["run[1]"].rows["restorer"]) == {"motion"}
    assert set(found["run[1]"].distances["restorer"]) == {"motion"}
    assert found["run[1]"].curves is not None


def test_no_run_takes_the_place_of_another_of_its_name(tmp_path: Path) -> None:
    sources = [tmp_path / ward / "six" for ward in ("a", "b", "c", "d")]
    for seed, source in enumerate(sources):
        write_run(source / "dual", "dual", {"dual": 0.0}, seed=seed)
    names = ["dual", "six/dual", "six/dual (2)", "six/dual (3)"]
    assert [(run.name, run.record.seed) for run in find_runs(sources)] == list(
        zip(names, range(4), strict=True)
    )
