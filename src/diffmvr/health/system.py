"""The machine: accelerator, video codecs, the libraries MediaPipe needs, disk and rights."""

import ctypes
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from diffmvr.health.finding import Finding, State
from diffmvr.parsing import user_path

GIB = 2**30
SD15_GIB = 8
"""Stable Diffusion 1.5, a tower and one trained model in full precision, about."""

CODECS = (("h264", "r"), ("libx264", "w"), ("aac", "w"), ("ffv1", "w"), ("hevc", "r"))
GL_LIBRARIES = ("libEGL.so.1", "libGLESv2.so.2", "libGL.so.1")


def check_device() -> list[Finding]:
    """Say what torch computes on."""
    try:
        import torch
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:
        remedy = "install torch and torchvision of one release: pip install -c constraints.txt"
        return [Finding("device", "torch", "error", f"cannot be imported ({error})", remedy)]
    del torchvision
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    findings = [Finding("device", "CPU", "ok", threads)]
    if not torch.cuda.is_available():
        remedy = "the small model needs none; model=sd15 does"
        return [*findings, Finding("device", "GPU", "note", "none that torch can use", remedy)]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        bf16 = "" if torch.cuda.is_bf16_supported() else "; no bfloat16: trainer.precision=16-mixed"
        text = (
            f"{torch.cuda.get_device_name(index)}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
        )
        findings.append(Finding("device", f"GPU {index}", "ok", text + bf16))
    return findings


def check_codecs() -> list[Finding]:
    """Say which codecs PyAV carries."""
    try:
        import av
    except (ImportError, OSError) as error:
        return [
            Finding("video", "PyAV", "error", f"cannot be imported ({error})", "pip install av")
        ]
    findings = []
    for name, mode in CODECS:
        purpose = "reads" if mode == "r" else "writes"
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
        except (ValueError, av.error.FFmpegError):
            state: State = "warning" if name in ("hevc", "aac") else "error"
            remedy = "pip install --force-reinstall --only-binary :all: av"
            findings.append(Finding("video", name, state, f"PyAV {purpose} it not", remedy))
        else:
            findings.append(Finding("video", name, "ok", f"PyAV {purpose} it"))
    return findings


def check_graphics() -> list[Finding]:
    """Say whether the system libraries are there that MediaPipe loads."""
    wanted = importlib.util.find_spec("mediapipe") is not None
    absent = []
    for name in GL_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            absent.append(name)
    if not absent:
        return [Finding("video", "EGL, GLES, GL", "ok", "present, for face landmarks")]
    remedy = "apt-get install libegl1 libgles2 libgl1"
    state: State = "warning" if wanted else "note"
    found = f"absent: {', '.join(absent)}; face landmarks need them"
    return [Finding("video", "EGL, GLES, GL", state, found, remedy)]


def check_disk(output: Path, cache: Path) -> list[Finding]:
    """Say how much room there is, and whether it may be written to.

    Args:
        output: where runs are written.
        cache: where downloaded weights are kept.
    """
    places = {"output": output, "weights cache": cache, "temporary": Path(tempfile.gettempdir())}
    return [_place(name, path, needed=name != "weights cache") for name, path in places.items()]


def _place(name: str, path: Path, needed: bool) -> Finding:
    path = user_path(path).absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        state: State = "error" if needed else "warning"
        return Finding("disk", name, state, f"{path}: {error.strerror}", "choose another folder")
    free = shutil.disk_usage(existing).free / GIB
    text = f"{path}: {free:.1f} GiB free"
    if free < 1:
        return Finding("disk", name, "error" if needed else "warning", text, "make room")
    if free < SD15_GIB:
        remedy = f"model=sd15 wants {SD15_GIB} GiB or more"
        return Finding("disk", name, "note", text, remedy)
    return Finding("disk", name, "ok", text)
