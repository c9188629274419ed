"""``python -m diffmvr.restore`` from files to files, with a real model of random weights."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.helpers.detectors import OCCLUDER, ColourBackends, disc_frames
from tests.helpers.recordings import (
    NTSC,
    audio_packets,
    box_masks,
    moving_frames,
    video_times,
    write_pictures,
    write_video,
)
from tests.helpers.tiny import build_tiny

from diffmvr.config import weights_dir
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.restoration.opening import DEFAULT_MODEL
from diffmvr.restoration.settings import RestoreSettings
from diffmvr.restore import main, restore

COUNT = 10
SHARED = os.environ.get("DIFFMVR_SHARED")
needs_shared = pytest.mark.skipif(
    not SHARED, reason="real clips are not in the repository: set DIFFMVR_SHARED to their folder"
)


@pytest.fixture(scope="module")
def model(frozen_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real model of random weights."""
    folder = tmp_path_factory.mktemp("model")
    DiffMVRPipeline.from_components(build_tiny(frozen_parts)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(model: Path) -> DiffMVRPipeline:
    """The same model in memory."""
    loaded = DiffMVRPipeline.from_pretrained(model)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(autouse=True)
def _no_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small textures have no face: look for none, except where a test asks for it."""
    monkeypatch.setattr("diffmvr.preprocessing.backends.shipped_detector", lambda task: None)
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)


def boxed(*given: str, **options: Any) -> RestoreSettings:
    """Settings of a recording in which the face is said to be in the middle."""
    return RestoreSettings(*given, **{"face_box": [18.0, 12.0, 78.0, 60.0], **options})


def mask_folder(folder: Path, width: int = 96, height: int = 72) -> Path:
    """Ten masks, the first three empty."""
    return write_pictures(folder, 255 * box_masks(COUNT, width, height))


def report_of(output: Path) -> dict[str, Any]:
    """Read a report as strict JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads((output / "report.json").read_text(), parse_constant=refuse)


def changed_bytes(output: Path, source: Path, mask: Path | None) -> tuple[int, int]:
    """Count the bytes that changed outside the masks, and inside."""
    frames = open_frames(source)
    masks = open_masks(mask, frames)
    outside = inside = count = 0
    for before, after, hidden in zip(frames, open_frames(output), masks, strict=False):
        differs = before.image != after.image
        outside += int(differs[hidden == 0].sum())
        inside += int(differs[hidden == 1].sum())
        count += 1
    assert count == len(list(frames))
    return outside, inside


@pytest.mark.parametrize("size", [(96, 72), (97, 73)])
@pytest.mark.parametrize(("file_format", "name"), [("png", "frames"), ("ffv1", "restored.mkv")])
def test_no_byte_outside_the_mask_changes(
    tmp_path: Path, pipeline: DiffMVRPipeline, size: tuple[int, int], file_format: str, name: str
) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(COUNT, *size), NTSC)
    mask = mask_folder(tmp_path / "masks", *size)

    output = restore(
        boxed(str(source), str(tmp_path / "out"), str(mask), format=file_format), pipeline
    )

    outside, inside = changed_bytes(output / name, source, mask)
    assert outside == 0
    assert inside > 1000


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_video_keeps_frames_rate_size_and_audio(
    tmp_path: Path, pipeline: DiffMVRPipeline, suffix: str
) -> None:
    source = write_video(tmp_path / f"in{suffix}", moving_frames(COUNT), NTSC, audio="aac")
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask)), pipeline)

    names = ["manifest.json", "report.json", "restored.mp4", "seal.json"]
    assert sorted(path.name for path in output.iterdir()) == names
    restored = output / "restored.mp4"
    times, rate = video_times(restored)
    assert rate == NTSC
    assert times == [index / NTSC for index in range(COUNT)]
    assert open_frames(restored).info.size == "96x72"
    assert audio_packets(restored) == audio_packets(source) != []


def test_a_webm_with_opus_is_restored(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    source = write_video(
        tmp_path / "in.webm",
        moving_frames(COUNT),
        NTSC,
        codec="libvpx-vp9",
        pix_fmt="yuv420p",
        audio="libopus",
    )
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask), format="png"), pipeline)

    assert changed_bytes(output / "frames", source, mask)[0] == 0
    assert audio_packets(output / "audio.mka") == audio_packets(source) != []


def test_audio_that_mp4_cannot_hold_goes_to_matroska(
    tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    source = write_video(tmp_path / "in.mkv", moving_frames(COUNT), audio="pcm_u8")
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask)), pipeline)

    assert b"".join(audio_packets(output / "restored.mkv")) == b"".join(audio_packets(source))
    assert any("does not fit into .mp4" in note for note in report_of(output)["notes"])


def test_the_audio_can_be_left_out(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(COUNT), audio="aac")
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask), audio=False), pipeline)

    assert audio_packets(output / "restored.mp4") == []


def test_a_turned_recording_comes_out_upright(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    upright = moving_frames(COUNT)
    stored = np.rot90(upright, -1, axes=(1, 2)).copy()
    source = write_video(tmp_path / "in.mp4", stored, rotation=(90, False))
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask), format="ffv1"), pipeline)

    frames = list(open_frames(output / "restored.mkv"))
    np.testing.assert_array_equal(frames[0].image, upright[0])
    assert any("rotation flag" in note for note in report_of(output)["notes"])


def test_a_variable_rate_is_kept(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    unit = Fraction(1, 30000)
    source = write_video(
        tmp_path / "in.mp4",
        moving_frames(COUNT),
        times=lambda t: 1000 * t + 90 * t * t,
        time_base=unit,
    )
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask)), pipeline)

    expected = [(1000 * t + 90 * t * t) * unit for t in range(COUNT)]
    assert video_times(output / "restored.mp4")[0] == expected
    times = [row["time"] for row in report_of(output)["frames"]]
    np.testing.assert_allclose(times, [float(time) for time in expected])


def test_a_davis_clip_needs_no_mask(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    clip = write_pictures(tmp_path / "JPEGImages" / "clip", moving_frames(COUNT))
    mask_folder(tmp_path / "Annotations" / "clip")

    output = restore(
        boxed(str(clip), str(tmp_path / "out"), format="png", fps="30000/1001"), pipeline
    )

    assert changed_bytes(output / "frames", clip, None)[0] == 0
    report = report_of(output)
    assert report["frame_rate"] == "30000/1001"
    assert report["input"] == report["mask"] == "clip"


def test_the_report_tells_what_was_done(tmp_path: Path, model: Path) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(COUNT))
    mask = mask_folder(tmp_path / "masks")
    own = tmp_path / "own.png"
    Image.fromarray(moving_frames(1)[0]).save(own)
    settings = RestoreSettings(
        str(source),
        str(tmp_path / "out"),
        str(mask),
        str(model),
        seed=5,
        steps=2,
        sampler="EulerDiscreteScheduler",
        face_box=[20, 10, 70, 60],
        guides={"symmetric": str(own)},
        guide_scales=[0.2, 0.8],
        device="cpu",
    )

    report = report_of(restore(settings))

    assert (report["seed"], report["steps"], report["guide_scales"]) == (5, 2, [0.2, 0.8])
    assert report["settings"]["sampler"] == "EulerDiscreteScheduler"
    assert report["guide_kinds"] == ["symmetric", "past"]
    assert report["own_guides"] == {"symmetric": "own.png"}
    assert (report["input"], report["mask"], report["model"]) == ("in.mp4", "masks", model.name)
    assert str(tmp_path) not in json.dumps(report)
    unet = next((model / "unet").glob("*.safetensors"))
    digest = hashlib.sha256(unet.read_bytes()).hexdigest()
    assert report["weights_sha256"][f"unet/{unet.name}"] == digest
    assert {key.split("/")[0] for key in report["weights_sha256"]} >= {"unet", "vae", "projector"}
    assert {"diffmvr", "torch", "diffusers"} <= report["versions"].keys()
    assert report["restored_frames"] == COUNT - 3
    rows = report["frames"]
    assert [row["index"] for row in rows] == list(range(COUNT))
    assert [row["restored"] for row in rows] == [False] * 3 + [True] * (COUNT - 3)
    assert [row["past_index"] for row in rows] == [None] * 3 + [2] * (COUNT - 3)
    assert [row["past_age"] for row in rows[3:]] == list(range(1, COUNT - 2))
    assert rows[5]["guide_valid"] == {"symmetric": True, "past": True}
    assert rows[5]["region_source"] == "given"


def test_without_a_clear_frame_it_works_and_says_so_of_a_recording_under_another_name(
    tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    source = write_video(tmp_path / "anna-1987.mp4", moving_frames(4))
    mask = tmp_path / "anna-1987.png"
    Image.fromarray(255 * box_masks(6)[5]).save(mask)

    settings = boxed(str(source), str(tmp_path / "out"), str(mask), name="P007")
    output = restore(settings, pipeline)
    report = report_of(output)

    assert (report["input"], report["mask"]) == ("P007", "given")
    files = [path for path in output.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"anna" in path.read_bytes()]

    assert any("4 of 4 restored frames have no clear frame before" in n for n in report["notes"])
    assert all(row["guide_valid"]["past"] is False for row in report["frames"])
    assert all(row["past_index"] is None for row in report["frames"])


def test_side_by_side_and_contact_sheet(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(COUNT), audio="aac")
    mask = mask_folder(tmp_path / "masks")

    output = restore(boxed(str(source), str(tmp_path / "out"), str(mask), concat=True), pipeline)

    joined = open_frames(output / "concat.mp4")
    assert joined.info.size == "192x72"
    frames = list(joined)
    assert len(frames) == COUNT
    left = frames[-1].image[:, :96].astype(int)
    assert np.abs(left - moving_frames(COUNT)[-1]).mean() < 3
    with Image.open(output / "contact_sheet.png") as sheet:
        # Original, hole and restored below each other, 240 pixels high each, and two lines.
        assert sheet.height == 3 * (240 + 4) + 40
        assert sheet.width > 4 * 240


def test_pictures_of_doubt_say_what_the_report_says(
    tmp_path: Path, pipeline: DiffMVRPipeline
) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(6))
    mask = write_pictures(tmp_path / "masks", 255 * box_masks(6, arrival=3))
    options: dict[str, Any] = {"overlay": "doubt", "concat": True, "name": "P007"}
    settings = boxed(str(source), str(tmp_path / "out"), str(mask), abstain=0.1, **options)

    output = restore(settings, pipeline)

    report = report_of(output)
    told = [row["doubt"] for row in report["frames"]]
    assert told[:3] == [None] * 3
    assert report["restored_frames"] == 0
    assert any("3 of 3 hidden frames are not restored" in note for note in report["notes"])
    for k, doubt in enumerate(told[3:], start=1):
        assert doubt["abstained"] and doubt["why"]
        low, high = doubt["error_interval"]
        assert low < doubt["expected_error"] < high
        assert doubt["age"] == pytest.approx(k / 25, abs=1e-3)
    film = list(open_frames(output / report["output"]["doubt"]))
    # The bar is below.
    assert len(film) == 6 and film[0].image.shape[0] > 72
    page = (output / report["output"]["doubt_page"]).read_text(encoding="utf-8")
    assert "P007" in page and "in.mp4" not in page
    assert f"{told[5]['expected_error']:.0f} (" in page
    assert (output / report["output"]["timeline"]).is_file()
    # Nothing was put in the place of what hides the face, and the manifest says so.
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    assert not any(row["synthesised"] for row in manifest["frames"])


def test_a_run_can_be_repeated_bit_for_bit(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    source = write_video(tmp_path / "in.mp4", moving_frames(COUNT))
    mask = mask_folder(tmp_path / "masks")
    contents = []
    for run in ("a", "b"):
        settings = boxed(str(source), str(tmp_path / run), str(mask), format="png")
        output = restore(settings, pipeline)
        contents.append([path.read_bytes() for path in sorted(output.rglob("*.png"))])

    assert contents[0] == contents[1]


def bad_mask_length(folder: Path) -> dict[str, str]:
    """Eight masks for ten frames."""
    return {"mask": str(write_pictures(folder / "masks8", 255 * box_masks(8)))}


def bad_mask_size(folder: Path) -> dict[str, str]:
    """A mask that is two pixels too wide."""
    Image.new("L", (98, 72)).save(folder / "wide.png")
    return {"mask": str(folder / "wide.png")}


def all_hidden(folder: Path) -> dict[str, str]:
    """A mask that leaves nothing."""
    Image.new("L", (96, 72), 255).save(folder / "white.png")
    return {"mask": str(folder / "white.png")}


def cut_off(folder: Path) -> dict[str, str]:
    """A video that ends in the middle."""
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 72, 96, 3), dtype=np.uint8)
    path = write_video(folder / "cut.mp4", noise, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return {"input": str(path)}


def not_empty(folder: Path) -> dict[str, str]:
    """An output folder with something in it."""
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("kept")
    return {"output": str(folder / "full")}


def text_file(folder: Path) -> dict[str, str]:
    """A file that is no video."""
    (folder / "note.txt").write_text("hello")
    return {"input": str(folder / "note.txt")}


def no_frames(folder: Path) -> dict[str, str]:
    """A folder without pictures."""
    (folder / "empty").mkdir()
    return {"input": str(folder / "empty")}


BAD = {
    "missing input": (
        lambda _: {"input": "gone.mp4"},
        "input: there is no file or folder gone.mp4",
    ),
    "missing mask": (lambda _: {"mask": "gone.png"}, "mask: there is no file or folder gone.png"),
    "no video": (text_file, "note.txt is not a video"),
    "no frames": (no_frames, "empty holds no video "),
    "cut off": (cut_off, "is cut off: "),
    "mask length": (bad_mask_length, "has 8 masks but "),
    "mask size": (bad_mask_size, "wide.png is 98x72 but the frames of in.mp4 are 96x72"),
    "all hidden": (all_hidden, "mask: frame 0 is hidden entirely"),
    "not empty": (not_empty, "full is not empty; give a new folder"),
    "no input": (lambda _: {"input": None}, "input: expected a recording, got none"),
    "no output": (lambda _: {"output": None}, "output: expected a new folder, got none"),
    "no mask": (lambda _: {"mask": None}, "cannot be found by itself (mask: segmentation needs"),
    "empty input": (lambda _: {"input": ""}, "input: expected a recording, got none"),
    "empty output": (lambda _: {"output": ""}, "output: expected a new folder, got none"),
    "empty mask": (lambda _: {"mask": ""}, "mask: none is given for "),
    "format": (lambda _: {"format": "gif"}, "format: expected one of ['mp4', 'png', 'ffv1']"),
    "steps": (lambda _: {"steps": "many"}, "steps: expected a number, got 'many'"),
    "no steps": (lambda _: {"steps": "0"}, "steps: expected a number in [1, 1000], got 0"),
    "fps": (lambda _: {"fps": "nan"}, "fps: expected a finite number, got nan"),
    "box": (lambda _: {"face_box": "[9,9,1,1]"}, "face_box: expected [x0, y0, x1, y1]"),
    "huge box": (
        lambda _: {"face_box": "[-1000000,-1000000,1000000,1000000]"},
        "face_box: expected [x0, y0, x1, y1] in pixels, at most 65,535 from 0",
    ),
    "confidence": (lambda _: {"confidence": "nan"}, "confidence: expected a finite number"),
    "window": (lambda _: {"window": "-3"}, "window: expected a whole number of at least 1"),
    "scales": (lambda _: {"guide_scales": "[1]"}, "guide_scales: expected one "),
    "guide": (lambda _: {"guides.past": "gone.png"}, "guides.past: there is no file gone.png"),
    "weights": (lambda _: {"weights": "./gone"}, "no model folder at gone"),
    "landmarker": (lambda _: {"landmarker": "gone.task"}, "no Face Landmarker bundle at gone.task"),
    "sampler": (lambda _: {"sampler": "Heun"}, "sampler: expected null or one of ['DDIM"),
    "device": (lambda _: {"device": "tpu"}, "device: expected one of ['cpu', 'cuda', 'auto']"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    case: str,
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    spoil, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    given = {
        "input": str(write_video(tmp_path / "in.mp4", moving_frames(COUNT))),
        "mask": str(mask_folder(tmp_path / "masks")),
        "output": str(tmp_path / "deep" / "out"),
        "weights": str(model),
        "device": "cpu",
    }
    given |= spoil(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(
        sys, "argv", ["restore", *(f"{k}={v}" for k, v in given.items() if v is not None)]
    )

    with pytest.raises(SystemExit) as stop:
        main()

    captured = capfd.readouterr()
    assert stop.value.code == 2
    # Some faults are found when the work has begun, and that was said.
    *begun, error = captured.err.splitlines()
    assert not begun or (len(begun) == 1 and begun[0].startswith("restoring "))
    assert error.startswith("error: ") and message in error
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_line_restores_and_leaves_no_litter(tmp_path: Path, model: Path) -> None:
    """In a process of its own, as a user runs it."""
    write_video(tmp_path / "in.mp4", moving_frames(COUNT), audio="aac")
    mask_folder(tmp_path / "masks")
    command = [sys.executable, "-m", "diffmvr.restore", "input=in.mp4", "mask=masks", "output=out"]

    done = subprocess.run(
        [*command, f"weights={model}", "concat=true", "threads=1", "device=cpu"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "in.mp4: 7 of 10 frames restored\nwritten to out\n" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "masks", "out"]
    names = ["concat.mp4", "contact_sheet.png", "manifest.json", "report.json", "restored.mp4"]
    names.append("seal.json")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def shipped_or_random(pipeline: DiffMVRPipeline) -> DiffMVRPipeline:
    """The model that ships, where it has been trained already."""
    folder = weights_dir() / DEFAULT_MODEL
    return DiffMVRPipeline.from_pretrained(folder) if folder.is_dir() else pipeline


def test_without_a_mask_what_hides_the_face_is_found(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffmvr.restoration.opening.choose_backends", lambda **_: ColourBackends())
    hidden = set(range(4, 8))
    frames = disc_frames([(90.0, 70.0)] * COUNT, hidden=hidden)
    source = write_video(tmp_path / "in.mp4", frames)

    output = restore(RestoreSettings(str(source), str(tmp_path / "out"), format="png"), pipeline)

    report = report_of(output)
    assert report["mask"] == "found by segmentation"
    assert [row["restored"] for row in report["frames"]] == [t in hidden for t in range(COUNT)]
    for before, after in zip(frames, open_frames(output / "frames"), strict=True):
        bar = (before == OCCLUDER).all(axis=2)
        differs = (before != after.image).any(axis=2)
        # The bar's ends lie outside of the region of the face.
        assert not bar.any() or differs[bar].mean() > 0.85
        # The found mask is a little wider than the bar.
        near = cv2.dilate(bar.astype(np.uint8), np.ones((17, 17), np.uint8)) != 0
        assert not differs[~near].any()


def test_own_pictures_and_later_frames_are_mixed_and_named_without_their_folders(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = ColourBackends()
    monkeypatch.setattr("diffmvr.restoration.opening.choose_backends", lambda **_: backends)
    monkeypatch.setattr("diffmvr.restoration.own_pictures.choose_backends", lambda **_: backends)
    frames = disc_frames([(90.0, 70.0)] * 4, hidden={0})
    source = write_video(tmp_path / "in.mp4", frames)
    pictures = write_pictures(tmp_path / "Anna", disc_frames([(60.0, 70.0), (100.0, 80.0)]))
    own = [str(path) for path in sorted(pictures.iterdir())]
    mixed: dict[str, Any] = {"select": "bank", "reach": "both"}

    def report(output: str, **options: Any) -> dict[str, Any]:
        given = {"guides": {"past": own}, "past": mixed, "self_check": False, **options}
        return report_of(restore(RestoreSettings(str(source), output, **given), pipeline))

    told = report(str(tmp_path / "out"))
    assert told["own_guides"] == {"past": ["00000.png", "00001.png"]}
    assert "Anna" not in json.dumps(told)
    rows = told["frames"][0]["references"]
    assert [(one["index"], one["age"], one["picture"]) for one in rows] == [
        *((None, None, name) for name in ("00000.png", "00001.png")),
        *((index, -index, None) for index in (3, 2, 1)),
    ]
    hidden = report(str(tmp_path / "P007"), name="P007")
    assert hidden["own_guides"] == {"past": ["given", "given"]}
    assert hidden["frames"][0]["references"][1]["picture"] == "given 2"
    with pytest.raises(ValueError, match=r"guides\.past: the model was trained with"):
        monkeypatch.setattr(DiffMVRPipeline, "guide_kinds", ("symmetric",))
        report(str(tmp_path / "no"))
    assert not (tmp_path / "no").exists()


def test_without_a_mask_and_without_a_face_nothing_is_guessed(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffmvr.restoration.opening.choose_backends", lambda **_: ColourBackends())
    source = write_video(tmp_path / "in.mp4", disc_frames([None] * 4))

    with pytest.raises(ValueError, match=r"mask: none is given for .* and no face was found in it"):
        restore(RestoreSettings(str(source), str(tmp_path / "out")), pipeline)
    assert not (tmp_path / "out").exists()


@needs_shared
def test_a_real_face_is_restored_where_it_is_hidden(
    tmp_path: Path, pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mediapipe", reason="the landmarks extra is not installed")
    monkeypatch.setenv("DIFFMVR_SHARED", str(SHARED))
    frames = [
        frame.image
        for frame, _ in zip(
            open_frames(Path(str(SHARED)) / "data/faces/d11.mp4"), range(8), strict=False
        )
    ]
    clip = write_pictures(tmp_path / "clip", np.stack(frames))
    masks = np.zeros((8, 512, 512), np.uint8)
    for t in range(2, 8):
        masks[t, 240 : 240 + 100, 200 + 8 * t : 300 + 8 * t] = 255
    mask = write_pictures(tmp_path / "masks", masks)

    output = restore(
        RestoreSettings(str(clip), str(tmp_path / "out"), str(mask), format="png"),
        shipped_or_random(pipeline),
    )

    outside, inside = changed_bytes(output / "frames", clip, mask)
    assert (outside, inside > 0) == (0, True)
    rows = report_of(output)["frames"]
    assert sum(row["region_source"] == "landmarks" for row in rows) >= 6
    assert [row["past_index"] for row in rows[2:]] == [1] * 6


@needs_shared
def test_a_davis_clip_without_a_face_is_restored(tmp_path: Path, pipeline: DiffMVRPipeline) -> None:
    clip = Path(str(SHARED)) / "data/davis/JPEGImages/tennis"

    output = restore(
        RestoreSettings(str(clip), str(tmp_path / "out"), format="png", concat=True),
        shipped_or_random(pipeline),
    )

    outside, inside = changed_bytes(output / "frames", clip, None)
    assert (outside, inside > 0) == (0, True)
    assert {row["region_source"] for row in report_of(output)["frames"]} == {"none"}


@needs_shared
@pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None, reason="the extra 'detect' is not installed"
)
def test_without_a_landmarker_the_shipped_detector_finds_a_childs_face_under_a_hand(
    tmp_path: Path, shipped_pipeline: DiffMVRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The square around the hole stood in for the face: background went through eye and nose."""
    monkeypatch.undo()
    monkeypatch.delenv("DIFFMVR_SHARED", raising=False)
    monkeypatch.delenv("DIFFMVR_FACE_LANDMARKER", raising=False)
    face = Path(str(SHARED)) / "data/faces/d11.mp4"
    clean = np.stack([frame.image for frame, _ in zip(open_frames(face), range(10), strict=False)])
    masks = np.zeros(clean.shape[:3], np.uint8)
    for t in range(3, 10):
        cv2.ellipse(masks[t], (200 + 12 * t, 230), (70, 110), 20, 0, 360, 255, -1)
    skin = np.where(masks[..., None] != 0, np.uint8((200, 150, 120)), clean)
    settings = RestoreSettings(
        str(write_pictures(tmp_path / "clip", skin)),
        str(tmp_path / "out"),
        str(write_pictures(tmp_path / "masks", masks)),
        format="png",
    )

    output = restore(settings, shipped_pipeline)

    report = report_of(output)
    assert {row["region_source"] for row in report["frames"]} == {"yolo"}
    assert not any("no face was found" in note for note in report["notes"])
    restored = np.stack([frame.image for frame in open_frames(output / "frames")])
    hole = masks != 0
    # Background is green: nowhere in the hole, which lies on the face, is it.
    green = restored[hole].astype(int)
    assert (green[:, 1] - green[:, 0] > 20).mean() < 0.01
    error = np.abs(restored[hole].astype(int) - clean[hole]).mean()
    assert error < 8
