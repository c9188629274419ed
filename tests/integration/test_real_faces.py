"""``experiments/real_faces.py`` and ``london.py``: occluders, rows, cases from end to end."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.helpers.clips import moving_clip, smooth_texture

from diffmvr.config import weights_dir
from diffmvr.data.portraits import choose_test_people
from diffmvr.evaluation.frame_scores import FrameScores
from diffmvr.preprocessing.landmarks import FaceLandmarker
from diffmvr.reporting import score_row
from diffmvr.structures import FaceTrack

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHARED = os.environ.get("DIFFMVR_SHARED")
needs_shared = pytest.mark.skipif(
    not SHARED, reason="real faces are not in the repository: set DIFFMVR_SHARED to their folder"
)
FRAMES, SIDE = 48, 96


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """The script's modules; they find each other as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        import drawn_occluders
        import real_faces
        import real_faces_cases
        import real_faces_rows
        import real_faces_sheets

        yield SimpleNamespace(
            occluders=drawn_occluders,
            main=real_faces,
            cases=real_faces_cases,
            rows=real_faces_rows,
            sheets=real_faces_sheets,
        )


def face() -> tuple[np.ndarray, FaceTrack]:
    """A textured picture that stands still, with a face of 20 pixels between the eyes."""
    frames = np.repeat(smooth_texture(SIDE, SIDE, 0)[None], FRAMES, axis=0)
    one = np.array([[20.0, 0, 48], [0, 20.0, 36]])
    track = FaceTrack(
        face_box=np.tile([20.0, 8, 76, 80], (FRAMES, 1)),
        midline=np.tile([48.0, 36, 0, 1], (FRAMES, 1)),
        similarity=np.tile(one, (FRAMES, 1, 1)),
        axis_source=("truth",) * FRAMES,
    )
    return frames, track


@pytest.mark.parametrize("kind", ["hand", "tape", "cloth", "tube"])
def test_an_occluder_comes_and_goes_twice_and_touches_nothing_else(scripts: Any, kind: str) -> None:
    frames, track = face()
    hidden = scripts.occluders.hide(frames, track, kind, "somebody")

    outside = hidden.outline == 0
    assert np.array_equal(hidden.observed[outside], frames[outside])
    assert (hidden.observed[~outside] != frames[~outside]).any(axis=1).mean() > 0.9
    for outline, box in zip(hidden.outline, hidden.box, strict=True):
        rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
        expected = np.zeros_like(outline)
        if len(rows):
            expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1
        assert np.array_equal(box, expected)
    on_face = hidden.outline[:, 8:80, 20:76].mean(axis=(1, 2))
    covered = on_face > 0.005
    assert (np.diff(covered.astype(int)) == 1).sum() == 2
    assert 0.35 < covered.mean() < 0.65 and not covered[0] and not covered[-1]
    assert 0.1 < on_face.max() < 0.8
    again = scripts.occluders.hide(frames, track, kind, "somebody")
    other = scripts.occluders.hide(frames, track, kind, "somebody else")
    assert np.array_equal(again.observed, hidden.observed)
    assert not np.array_equal(other.observed, hidden.observed)


def some_rows(system: str, clip_id: str, mask_type: str, psnr: float) -> tuple[Any, pl.DataFrame]:
    clip = moving_clip(frames=4, size=32, shift=1, arrival=1)
    clip = replace(clip, clip_id=clip_id, subject_id=clip_id.split("_")[0])
    frames = FrameScores(mask_type, 0)
    frames.add(system, clip.observed, clip)
    return [score_row(system, clip, 0, mask_type, {"psnr_hole": psnr})], frames.frame()


def test_rows_are_kept_until_they_are_computed_anew(scripts: Any, tmp_path: Path) -> None:
    files = scripts.rows.RowFiles(tmp_path / "results", tmp_path / "lock")
    assert files.done("d0_hand") == set()
    files.add(*some_rows("flow", "d0_hand", "bbox", 1.0))
    files.add(*some_rows("telea", "d0_hand", "bbox", 2.0))
    files.add(*some_rows("flow", "d1_hand", "segmentation", 3.0))
    assert files.done("d0_hand") == {("flow", "bbox"), ("telea", "bbox")}
    files.add(*some_rows("flow", "d0_hand", "bbox", 5.0))

    scores = files.scores().select("restorer", "clip_id", "psnr_hole").rows()
    assert sorted(scores) == [
        ("flow", "d0_hand", 5.0),
        ("flow", "d1_hand", 3.0),
        ("telea", "d0_hand", 2.0),
    ]
    assert files.frames().height == 3 * 3, "three hidden frames of each"


def test_what_one_system_lacks_is_in_no_table(scripts: Any) -> None:
    rows = pl.concat(
        [
            pl.DataFrame({"restorer": names, "clip_id": clip})
            for clip, names in (("a", ["x", "y"]), ("b", ["x"]), ("c", ["y", "x"]))
        ]
    )
    assert set(scripts.rows._done_by_all(rows)["clip_id"]) == {"a", "c"}


@needs_shared
def test_a_case_from_end_to_end(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.cases, "LENGTH", 16)
    (recording,) = scripts.cases.find_recordings(Path(str(SHARED)), ["lbax4n"], tmp_path / "tracks")
    files = scripts.rows.RowFiles(tmp_path / "results", tmp_path / "lock")
    strips = scripts.sheets.Strips(tmp_path / "strips")
    systems = scripts.main.build_named(["telea", "flow", "diffmvr"], [])
    assert list(systems) == ["telea", "flow"], "the product does not work on crops"
    asked = ([recording], ["tape"], ["segmentation", "bbox"])

    scripts.main.run(*asked, systems, files, strips)

    rows = files.scores()
    assert set(rows["subject_id"]) == {"lbax4n"} and rows.height == 4
    assert rows["resolution"].unique().to_list() == [192]
    by_system = dict(rows.filter(mask_type="bbox").select("restorer", "psnr_hole").iter_rows())
    assert by_system["flow"] > by_system["telea"] > 10
    assert rows["blendshape_error"].is_not_null().all() and (rows["blendshape_found"] > 0).all()
    assert (files.frames()["blendshape_error"].drop_nulls() >= 0).all()
    # What is there is not computed again, and faces that were found are not looked for again.
    monkeypatch.setattr(scripts.cases, "find_face", None)
    files.folder.joinpath("scores.csv").write_bytes(b"untouched")
    scripts.main.run(*asked, systems, files, strips)
    assert files.folder.joinpath("scores.csv").read_bytes() == b"untouched"
    scripts.main.run([recording], ["tape"], ["bbox"], {"telea": systems["telea"]}, files, strips)

    scripts.rows.make_tables(files, "flow", {"recording": 0, "occluder": 1})
    scripts.sheets.make_sheet("lbax4n", files, strips, tmp_path / "sheet.png")
    assert {path.suffix for path in files.folder.iterdir()} == {".parquet", ".csv", ".md"}
    assert "| telea |" in (files.folder / "table_bbox.md").read_text()
    assert "by age of the newest reference" in (files.folder / "splits.md").read_text()
    assert "lbax4n" in (files.folder / "means.md").read_text()
    assert Image.open(tmp_path / "sheet.png").size[0] > 4 * 192


@needs_shared
def test_the_product_restores_whole_frames_and_is_scored_in_the_crops(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts.cases, "LENGTH", 8)
    (recording,) = scripts.cases.find_recordings(Path(str(SHARED)), ["lbax4n"], tmp_path / "tracks")
    case = recording.case(recording.hidden("tape"), "tape", "segmentation")
    options = scripts.main.options_of(["self_check=false", "guides.past=null", "guides.a=b"])
    assert options == {"self_check": False, "guides": {"past": None, "a": "b"}}
    del options["guides"]["a"]
    product = scripts.cases.Product(str(weights_dir() / "diffmvr-tiny"), tmp_path / "work", options)

    restored = product.restore(case)

    hidden = case.clip.mask == 1
    assert np.array_equal(restored[~hidden], case.clip.observed[~hidden])
    error = np.abs(restored[hidden].astype(int) - case.clip.frames[hidden]).mean()
    assert error < np.abs(case.clip.observed[hidden].astype(int) - case.clip.frames[hidden]).mean()
    assert not (tmp_path / "work").exists()


def test_the_test_people_of_portraits_can_be_named_together(scripts: Any) -> None:
    import london

    everybody = [f"{number:03d}" for number in range(1, 40)]
    assert london.chosen_people(None, everybody) == everybody
    assert london.chosen_people(["002"], everybody) == ["002"]
    kept = london.chosen_people(["test"], everybody)
    assert tuple(kept) == choose_test_people(everybody) and len(kept) == 9
    with pytest.raises(ValueError, match=r"--people: expected one of .*got '99'"):
        london.chosen_people(["99"], everybody)


@needs_shared
def test_a_pair_of_pictures_from_end_to_end(scripts: Any, tmp_path: Path) -> None:
    import london

    shared = Path(str(SHARED))
    landmarker = FaceLandmarker(shared / "models" / "face_landmarker.task", video=False)
    pairs = london.Pairs(shared / "data" / "london", landmarker)
    assert len(pairs.people) == 71
    clip = pairs.clip("002", "smiling", "half")
    other = pairs.clip("001", "smiling", "half")
    back = pairs.clip("002", "neutral", "mouth")

    # Only the current picture is hidden, and what is not hidden is as it was.
    assert not clip.mask[0].any() and clip.mask[1].any()
    assert np.array_equal(clip.observed[clip.mask == 0], clip.frames[clip.mask == 0])
    assert (clip.observed[clip.mask == 1] == 128).mean() > 0.9
    # The smile is the past of the neutral picture, which is the past of the smile.
    again = pairs.clip("002", "smiling", "eyes")
    assert np.array_equal(again.frames[0], clip.frames[0])
    past, smile = again.frames.astype(int)
    assert np.abs(back.frames[0] - smile).mean() < np.abs(past - smile).mean() / 2
    # Even numbers hide one half of the face, odd ones the other.
    middle = 192 // 2
    assert clip.mask[1][:, :middle].sum() > 4 * clip.mask[1][:, middle:].sum()
    assert other.mask[1][:, middle:].sum() > 4 * other.mask[1][:, :middle].sum()

    files = scripts.rows.RowFiles(tmp_path / "results", tmp_path / "lock")
    strips = scripts.sheets.Strips(tmp_path / "strips")
    systems = scripts.main.build_named(["telea", "past_guide"], [])
    london.run(pairs, ["002"], ["mouth"], systems, files, strips)
    rows = files.scores()
    assert set(rows["clip_id"]) == {"002_smiling", "002_neutral"} and rows.height == 4
    assert (rows["blendshape_error"] > 0.005).all() and (rows["blendshape_found"] == 1).all()
    files.folder.joinpath("scores.csv").write_bytes(b"untouched")
    london.run(pairs, ["002"], ["mouth"], systems, files, strips)
    assert files.folder.joinpath("scores.csv").read_bytes() == b"untouched"
    scripts.rows.make_tables(files, "past_guide", {"expression": 1})
    assert "| System | neutral (1) | smiling (1) |" in (files.folder / "means.md").read_text()
    scripts.sheets.make_people_sheet(files, strips, tmp_path / "mouth.png", "mouth")
    assert Image.open(tmp_path / "mouth.png").size[1] > 2 * 192
