"""Every experiment, from the configuration to what a run leaves behind."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.helpers.portraits import find_drawn_faces, write_pairs
from tests.helpers.tiny import fingerprint

from diffmvr import DiffMVRModule
from diffmvr.config import config_dir
from diffmvr.data.portraits import PortraitClips
from diffmvr.evaluate import evaluate
from diffmvr.pipelines.diffmvr_pipeline import DiffMVRPipeline
from diffmvr.runs.hashes import model_hash
from diffmvr.train import main, train
from diffmvr.training.wandb_files import read_records

EXPERIMENTS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))
FRAMES = 8
# Every part is real; there is just less of it.
LESS = [
    "debug=fast",
    "threads=1",
    "trainer.max_steps=2",
    f"data.source.num_frames={FRAMES}",
    "data.window=4",
    "data.batch_frames=8",
    "preprocessing.align_past=similarity",
    "evaluation.restorers=[telea]",
    "evaluation.num_inference_steps=1",
]
CSV_ONLY = "logger=csv"
# All that a training says where its output is piped.
SAID = (
    r"the run's folder is .+",
    r"trying on one clip what will score the test people",
    r"U-Net input: the base's .+ channels are left out",
    r"(reading|training|validating|scoring): \d+ of \d+ (steps|batches|clips)(, .+)?",
    r"the run is in .+",
)


def composed(
    weights: Path, output: Path, *overrides: str, config_name: str = "train"
) -> DictConfig:
    fixed = [f"paths.weights={weights}", f"paths.output={output}", CSV_ONLY]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose(config_name, [*fixed, *overrides])


def command_line(weights: Path, run: Path, *overrides: str) -> list[str]:
    return [*LESS, f"paths.weights={weights}", f"hydra.run.dir={run}", *overrides]


def check_artefacts(run: Path, name: str, kinds: list[str]) -> None:
    """What every run leaves behind, whatever the experiment."""
    pipeline = DiffMVRPipeline.from_pretrained(run / "model")
    assert list(pipeline.guide_kinds) == kinds and pipeline.resolution == 64
    assert f"**experiment**: {name}" in (run / "model" / "README.md").read_text()

    rows = pl.read_parquet(run / "scores.parquet")
    restorers = {name, "telea", "autoencoder (bound)"}
    assert set(rows["restorer"]) == restorers and rows.height == 2 * len(restorers)
    assert rows["psnr_hole"].is_finite().all()
    table = (run / "table.md").read_text()
    assert all(restorer in table for restorer in restorers)

    picture = cv2.imread(str(run / "restored.png"))
    assert picture is not None and picture.std() > 1
    with av.open(run / "restored.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert (run / "samples" / "step000002.png").is_file()
    assert (run / "checkpoints" / "last.ckpt").is_file()

    metrics = pl.read_csv(run / "metrics.csv", infer_schema_length=None)
    for column in (
        "train/loss",
        "train/loss_denoising",
        "train/loss_motion",
        "train/motion_share",
        "train/gradient_norm",
        "train/frames_per_second",
        "val/loss_denoising",
        "val/loss_motion",
        "val/psnr_hole",
        "lr-Adam",
    ):
        assert metrics[column].drop_nulls().len() > 0, column
    assert metrics[f"test/psnr_hole/{name}"].drop_nulls().len() == 1


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(weights: Path, tmp_path: Path, experiment: str) -> None:
    cfg = composed(weights, tmp_path, *LESS, f"experiment={experiment}")
    result = train(cfg)
    assert result.output == tmp_path and result.model == tmp_path / "model"
    assert result.scores.keys() == {experiment, "telea", "autoencoder (bound)"}
    check_artefacts(tmp_path, experiment, list(cfg.guide.kinds))
    motion = pl.read_csv(tmp_path / "metrics.csv", infer_schema_length=None)["train/motion_share"]
    assert (motion.drop_nulls() > 0).all() == ("motion" in experiment)


def test_portraits_train_and_nobody_of_their_test_people_is_seen(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "people", 6)
    bundle = find_drawn_faces(monkeypatch, tmp_path / "face.task")
    seen: list[str] = []
    portrait = PortraitClips.portrait
    monkeypatch.setattr(
        PortraitClips,
        "portrait",
        lambda self, pair, *k: seen.append(pair.person) or portrait(self, pair, *k),
    )
    cfg = composed(
        *(weights, tmp_path / "run", *LESS, "data=portraits"),
        *(f"data.source.folder={tmp_path / 'people'}", f"data.source.landmarker={bundle}"),
        *("data.source.test_people=[p04,p05]", "data.source.clips_per_subject=1"),
        *("data.source.credit=drawn", "data.val_subjects=[p00]", "data.test_subjects=[p05]"),
    )
    result = train(cfg)
    assert set(pl.read_parquet(tmp_path / "run" / "scores.parquet")["subject_id"]) == {"p05"}
    # Who is scored is seen to be scored; who is kept and not scored is never seen.
    assert set(seen) == {"p00", "p01", "p02", "p03", "p05"}
    card = (result.model / "README.md").read_text()
    assert "- **data**: 6 people photographed twice (drawn), seed 0" in card


def test_the_base_itself_is_trained_from_scratch(weights: Path, tmp_path: Path) -> None:
    fewer = ["data.source.subjects=10", "data.source.num_frames=4", "data.fractions=[0.7,0.3,0]"]
    steps = ["trainer.max_steps=1", "trainer.val_check_interval=1", "callbacks.samples=null"]
    cfg = composed(weights, tmp_path, *fewer, *steps[:2], "threads=1", config_name="pretrain_unet")
    result = train(cfg)
    assert result.scores == {} and not (tmp_path / "table.md").exists()
    pipeline = DiffMVRPipeline.from_pretrained(result.model)
    assert pipeline.guide.pathway == "both" and pipeline.unet.config.in_channels == 17


def test_a_stopped_run_goes_on_to_the_same_model(weights: Path, tmp_path: Path) -> None:
    schedule = ["model.lr_scheduler.num_training_steps=4", "evaluation.restorers=null"]
    common = [*LESS, *schedule, "callbacks.samples=null"]

    def run(folder: str, *overrides: str) -> dict[str, str]:
        result = train(composed(weights, tmp_path / folder, *common, *overrides))
        return fingerprint(DiffMVRPipeline.from_pretrained(result.model).unet)

    whole = run("whole", "trainer.max_steps=4")
    half = run("stopped", "trainer.max_steps=2")
    assert half != whole
    assert run("stopped", "trainer.max_steps=4", "ckpt_path=last") == whole
    # What was logged of both parts is in one file.
    columns = pl.read_csv(tmp_path / "stopped" / "metrics.csv", infer_schema_length=None)
    trained = columns.drop_nulls("train/loss")
    assert trained["step"].to_list() == [0, 1, 2, 3]
    # A run that is over stays what it is.
    assert run("stopped", "trainer.max_steps=4", "ckpt_path=last") == whole


def test_what_was_trained_is_kept_if_scoring_fails(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = tmp_path / "run"
    brief = [*LESS, "trainer.max_steps=1", "trainer.val_check_interval=1", "callbacks.samples=null"]

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("diffmvr.train.run_benchmark", full)
        with pytest.raises(OSError, match="No space left"):
            train(composed(weights, run, *brief))
    assert not (run / "run.json").exists()
    record = json.loads((run / "trained.json").read_text())
    assert record["steps"] == 1 and record["weights_hash"] == model_hash(run / "model")
    remedy = f"python -m diffmvr.evaluate weights={run} scores it"
    assert remedy in caplog.text

    fewer = ["data.source.subjects=36", "data.source.num_frames=6", "limit=1", "threads=1"]
    few = [*fewer, "restorers=[diffmvr,telea]", "scoring.distances=null"]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("evaluate", [f"weights={run}", f"paths.output={tmp_path / 'scored'}", *few])
    evaluate(cfg)
    assert set(pl.read_parquet(tmp_path / "scored" / "scores.parquet")["restorer"]) == {
        "diffmvr", "telea",
    }  # fmt: skip

    # Given again it goes on from the checkpoint, and only scores.
    train(composed(weights, run, *brief, "ckpt_path=last"))
    assert (run / "run.json").is_file() and not (run / "trained.json").exists()
    # Another seed would overwrite it.
    with pytest.raises(ValueError, match=r"other settings \(.*seed: 0 -> 1\); .*hydra\.run\.dir"):
        train(composed(weights, run, *brief, "seed=1"))


def test_the_command_line(weights: Path, tmp_path: Path) -> None:
    elsewhere, run = tmp_path / "elsewhere", tmp_path / "run"
    elsewhere.mkdir()
    loggers = "logger=[wandb,csv,tensorboard]"
    arguments = command_line(weights, run, "experiment=dual_motion", "name=mine", loggers)
    done = subprocess.run(
        [sys.executable, "-m", "diffmvr.train", *arguments],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout and "telea" in done.stdout, "the table is shown"
    assert re.fullmatch(r"(?:[┏┃┡│└].*\n)+Means over clips;(?:.*\n){1,6}", done.stdout)
    for line in done.stderr.splitlines():
        assert any(re.fullmatch(said, line) for said in SAID), f"a library says {line!r}"
    where = f"the run's folder is {run}", f"the run is in {run}"
    assert (done.stderr.splitlines()[0], done.stderr.splitlines()[-1]) == where
    check_artefacts(run, "mine", ["symmetric", "past"])
    assert not any(elsewhere.iterdir()), "everything is in the run's folder"
    check_loaded_again(run)

    (file,) = (run / "wandb").glob("offline-run-*/run-*.wandb")
    logged = file.read_bytes()
    for word in (b"diffmvr", b"mine-s0", b"first_step_share", b"experiment: dual_motion"):
        assert word in logged, word
    assert any((file.parent / "files" / "media").rglob("*.png")), "with pictures"
    in_csv = set(pl.read_csv(run / "metrics.csv", infer_schema_length=None).columns) - {"step"}
    records = [record.history for record in read_records(file)]
    named = {".".join(item.nested_key) or item.key for one in records for item in one.item}
    events = EventAccumulator(str(run / "tensorboard")).Reload().Tags()
    assert in_csv == set(events["scalars"]), "the same names"
    shown = ("val/grid", "val/clip", "test/scores")
    # A table or a picture is logged in parts: test/scores.nrows.
    named = {next((s for s in shown if name.startswith(f"{s}.")), name) for name in named}
    own = {name for name in named if name.startswith("_")}
    assert named - own == in_csv | {*shown, "trainer/global_step"}
    assert set(events["images"]) == {"val/grid", "val/clip"}
    assert "test/scores/text_summary" in events["tensors"]


def check_loaded_again(run: Path) -> None:
    """From a checkpoint to the model that the run has saved, with public names alone."""
    checkpoint = run / "checkpoints" / "last.ckpt"
    module = DiffMVRModule.load_from_checkpoint(checkpoint)
    saved = fingerprint(DiffMVRPipeline.from_pretrained(run / "model").unet)
    assert fingerprint(module.components.unet) == saved and not module.training
    raw = DiffMVRModule.load_from_checkpoint(checkpoint, average=False)
    assert fingerprint(raw.components.unet) != saved
    text = (run / ".hydra" / "config.yaml").read_text()
    other = run.parent / "other.yaml"
    other.write_text(text.replace("torch.optim.Adam", "os.system"))
    with pytest.raises(ValueError, match=r"names os\.system, which would be run; give trusted"):
        DiffMVRModule.load_from_checkpoint(checkpoint, other)
    other.write_text("seed: 0")
    with pytest.raises(ValueError, match=r"other\.yaml holds no model; give a run's"):
        DiffMVRModule.load_from_checkpoint(checkpoint, other)
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.ckpt; give one of RUN/check"):
        DiffMVRModule.load_from_checkpoint(run / "gone.ckpt")


def fails(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run the entry point in this process; return its exit code and what it said."""
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", CSV_ONLY]
    monkeypatch.setattr(sys, "argv", ["train", *arguments, *quiet])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code, capsys.readouterr().err


def test_an_unknown_experiment(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    code, said = fails(command_line(weights, run, "experiment=triple"), monkeypatch, capsys)
    assert (
        code != 0
        and "experiment: expected one of baseline, dual, " in said
        and "got 'triple'" in said
    )
    assert all(name in said for name in EXPERIMENTS), "the choices are named"
    assert not run.exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ckpt_path=nowhere.ckpt", "error: ckpt_path=nowhere.ckpt: no checkpoint at nowhere.ckpt"),
        ("ckpt_path=last", "error: ckpt_path=last: no checkpoint at"),
        ("paths.weights=./nowhere", "no model folder at nowhere/tiny-base"),
        ("guide.scales=[1.0]", "guide.scales: expected one number per guide"),
        ("data.window=3", "a batch is whole windows, so 8 must be a multiple of window=3"),
        ("data.fractions=[0.8,0.2,0]", "data.fractions: nobody is left to score"),
        # What is scored after the training.
        ("evaluation.restorers=[telia]", "evaluation.restorers: expected one of ['occluded'"),
        ("evaluation.restorers=[telea,telea]", "evaluation.restorers: 'telea' is there twice"),
        ("name=telea", "evaluation.restorers: 'telea' is there twice"),
        ("evaluation.limit=0", "evaluation.limit: expected a whole number of at least 1, or null"),
        ("evaluation.num_inference_steps=0", "evaluation.num_inference_steps: expected a whole"),
    ],
)
def test_settings_that_cannot_be(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    arguments = command_line(weights, tmp_path / "run")
    if override.startswith("paths.weights"):
        arguments = [item for item in arguments if not item.startswith("paths.weights")]
    code, said = fails([*arguments, override], monkeypatch, capsys)
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and message in lines[0], said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "model").exists()


def test_a_checkpoint_of_another_architecture(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    brief = ["evaluation.restorers=null", "trainer.max_steps=1", "trainer.val_check_interval=1"]
    train(composed(weights, tmp_path / "past", *LESS, *brief, "experiment=baseline"))
    checkpoint = tmp_path / "past" / "checkpoints" / "last.ckpt"
    arguments = command_line(weights, tmp_path / "run", f"ckpt_path={checkpoint}")
    code, said = fails(arguments, monkeypatch, capsys)
    assert code == 2 and "holds another architecture" in said and str(checkpoint) in said
    assert "in the checkpoint" in said and "in the model" in said and "Traceback" not in said
    assert not (tmp_path / "run" / "model").exists()
    shutil.rmtree(tmp_path / "past")
