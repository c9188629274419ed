"""A detector's description of its network reaches ultralytics only if nothing in it can run."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from diffmvr.config import weights_dir
from diffmvr.preprocessing import yolo_runtime
from diffmvr.preprocessing.yolo import YoloDetector
from diffmvr.preprocessing.yolo_architecture import read_architecture

SHIPPED = weights_dir() / "detectors"


def described(change: Callable[[dict[str, Any]], object]) -> str:
    content = yaml.safe_load((SHIPPED / "face" / "model.yaml").read_text(encoding="utf-8"))
    change(content)
    return yaml.safe_dump(content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda c: c.update(activation="open('RAN','w')"),
            "expected no settings but nc, .* 'activation'",
        ),
        (lambda c: c["backbone"].__setitem__(0, [-1, 1, "exec", ["1"]]), "layer 0: .* 'exec'"),
        (lambda c: c["backbone"][0].__setitem__(2, "__builtins__"), "layer 0: .* '__builtins__'"),
        (lambda c: c["head"][0].__setitem__(2, "torchvision.ops.x"), "layer 10: .* 'torchvision"),
        (lambda c: c["backbone"][1].__setitem__(2, ["Conv"]), r"layer 1: .* \['Conv'\]"),
        (lambda c: c["backbone"][0].__setitem__(3, ["m", 3]), "layer 0: arguments: .* got 'm'"),
        (
            lambda c: c["backbone"][0].__setitem__(3, [10**9]),
            "layer 0: arguments: .* got 1000000000",
        ),
        (
            lambda c: c["backbone"][0].__setitem__(1, 10**9),
            "layer 0: repeats: .* 1 to 100, got 1000000000",
        ),
        (lambda c: c["backbone"][0].__setitem__(0, 5), "layer 0: from: .* got 5"),
        (lambda c: c["head"][1].__setitem__(0, -1), "layer 11: expected layers that exist"),
        (lambda c: c["head"].pop(), "layer 21: expected Detect as the last layer"),
        (lambda c: c.update(backbone=7), "backbone: expected 1 to 100 layers, got 7"),
        (lambda c: c.update(nc="exit()"), r"nc: expected a whole number .* got 'exit\(\)'"),
        (lambda c: c.update(scales=None), "scales: expected three positive numbers"),
        (lambda c: c.update(scale="x"), r"scale: expected one of \['n'\], got 'x'"),
        (lambda c: c.clear(), "scales: expected"),
    ],
)
def test_a_description_that_would_run_code_is_refused_before_ultralytics_sees_it(
    change: Callable[[dict[str, Any]], object],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(yolo_runtime, "import_ultralytics", pytest.fail)
    folder = shutil.copytree(SHIPPED / "face", tmp_path / "detector")
    (folder / "model.yaml").write_text(described(change), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^detector: .*model\.yaml: {told}") as raised:
        YoloDetector(folder, trusted=True)
    assert "\n" not in str(raised.value) and not (tmp_path / "RAN").exists()


@pytest.mark.parametrize("text", ["a: [", "- 1", "&a [*a]", "!!python/object:os.system {}", "\0"])
def test_a_description_that_is_no_mapping_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^detector: .*model\.yaml: ") as raised:
        read_architecture(path, False)
    assert "\n" not in str(raised.value)


def test_a_description_of_another_task_is_named() -> None:
    with pytest.raises(ValueError, match=r"layer 22: expected Segment as the last .* got 'Detect'"):
        read_architecture(SHIPPED / "face" / "model.yaml", True)


@pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None, reason="the extra 'detect' is not installed"
)
def test_ultralytics_itself_evaluates_no_activation() -> None:
    yolo_runtime.import_ultralytics()
    from ultralytics.utils import SAFE_LOAD

    assert SAFE_LOAD


def test_what_training_writes_is_read() -> None:
    for task in ("face", "occluder", "occluder_seg"):
        content = read_architecture(SHIPPED / task / "model.yaml", task == "occluder_seg")
        assert len(content["backbone"] + content["head"]) == 23
