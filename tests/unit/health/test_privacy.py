from pathlib import Path

from diffmvr.config import config_dir
from diffmvr.health.finding import Finding
from diffmvr.health.privacy import check_licences, check_telemetry


def telemetry(versions: dict[str, str], **environment: str) -> dict[str, Finding]:
    findings = check_telemetry(versions, config_dir(), environment)
    return {finding.name: finding for finding in findings}


def test_what_may_send_something_is_said() -> None:
    found = telemetry({"mediapipe": "1.2.2", "gradio": "6.0", "ultralytics": "8.4.190"})
    assert found["MediaPipe"].state == "note" and "from leaving" in found["MediaPipe"].found
    assert found["gradio"].state == "ok"
    assert found["ultralytics"].state == "ok"
    assert found["Hugging Face hub"].state == "note"
    assert found["W&B"].state == "ok" and "until `wandb sync`" in found["W&B"].found


def test_what_is_switched_off_is_said_too() -> None:
    found = telemetry(
        {"mediapipe": "0.10.21", "gradio": "6.0"},
        HF_HUB_OFFLINE="1",
        WANDB_MODE="disabled",
    )
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "HF_HUB_OFFLINE" in found["Hugging Face hub"].found
    assert "WANDB_MODE=disabled" in found["W&B"].found


def test_an_upload_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "logger").mkdir()
    (tmp_path / "logger" / "wandb.yaml").write_text("wandb:\n  online: true\n")
    (wandb, *_) = check_telemetry({}, tmp_path, {})
    assert (wandb.state, wandb.found) == ("warning", "runs are uploaded; its own reports are off")


def test_licences_are_of_what_is_installed() -> None:
    names = [finding.name for finding in check_licences({"ultralytics": "8"})]
    assert "ultralytics" in names and "mediapipe" not in names and "Stable Diffusion 1.5" in names
