"""Real commands with names that patterns, grammars and shells take for their own."""

import json
from pathlib import Path

import cv2
from tests.helpers.commands import run
from tests.helpers.recordings import box_masks, moving_frames, write_video
from tests.helpers.study import write_run

from diffmvr.clip_store import ClipStore

SIDE, COUNT = 64, 6
BOXES = "frame,x0,y0,x1,y1\n" + "".join(f"{frame},8,8,56,56\n" for frame in range(COUNT))


def test_names_in_inputs_and_outputs_are_taken_as_they_are(tmp_path: Path) -> None:
    recordings = ["a1", "a[1]", "clip, take 2"]
    wards, boxes = tmp_path / "ward [1080p]", tmp_path / "boxes, {all}"
    wards.mkdir()
    boxes.mkdir()
    for seed, name in enumerate(recordings):
        write_video(wards / f"{name}.mp4", moving_frames(COUNT, SIDE, SIDE, seed))
        (boxes / f"{name}.csv").write_text(BOXES)
    mask = 255 * box_masks(COUNT, SIDE, SIDE, arrival=0)[0]
    (tmp_path / "[hand], 1.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    write_run(tmp_path / "run1", "dual_motion", {"dual_motion": 0.0})
    write_run(tmp_path / "run[1]", "baseline", {"baseline": 0.0})

    store = ["preprocess", "input=ward [1080p]", "output=store[3]", "boxes=boxes, {all}"]
    store += ["mask=none", "size=32", "fps=null", "workers=1", "sheets=false"]
    restored = ["restore", "input=ward [1080p]/clip, take 2.mp4", "mask=[hand], 1.png"]
    restored += ["output=null", "format=ffv1", "self_check=false", "face_box=[8,8,56,56]"]
    tables = ["report", "table=4", "source=[run[1]]", "output=out, [2]", "collect=true"]
    tables += ["figures=false"]
    again = ["report", "table=4", "source=out, [2]/rows", "output='quoted'", "figures=false"]
    for command, *arguments in (store, restored, tables, again):
        run(f"diffmvr.{command}", *arguments, cwd=tmp_path)

    found = ClipStore(tmp_path / "store[3]")
    assert list(found.verify()) == []
    rows = found.manifest["recording"].value_counts().rows()
    assert sorted(rows) == sorted((name, COUNT) for name in recordings)
    report = json.loads((tmp_path / "null" / "report.json").read_text("utf-8"))
    assert (report["input"], report["mask"]) == ("clip, take 2.mp4", "[hand], 1.png")
    assert (tmp_path / "null" / "restored.mkv").is_file()
    assert [path.name for path in (tmp_path / "out, [2]").glob("table?.md")] == ["table4.md"]
    kept = json.loads((tmp_path / "out, [2]" / "rows" / "runs.json").read_text("utf-8"))
    assert [entry["name"] for entry in kept.values()] == ["baseline"], "not its neighbour run1"
    assert (tmp_path / "quoted" / "table4.md").is_file(), "quotes around the whole are Hydra's"
