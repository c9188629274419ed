"""MediaPipe, confined: no telemetry, no lines on the terminal, no signal that ends the process.

It is optional; every import of it in diffmvr goes through here.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from diffmvr.landmarker_bundle import BUNDLE_NAME
from diffmvr.runs.telemetry import silence_mediapipe
from diffmvr.structures import UInt8Array

_SILENCE = threading.Lock()


class LandmarkerUnavailableError(RuntimeError):
    """MediaPipe or something it needs is not installed; the message names the remedy."""


def create_landmarker(
    bundle: Path, mode: str, confidence: float, blendshapes: bool, faces: int = 1
) -> Any:
    """Load MediaPipe and open a bundle.

    Args:
        bundle: path of ``face_landmarker.task``.
        mode: MediaPipe's name of how it runs: ``"IMAGE"`` or ``"VIDEO"``.
        confidence: least confidence of detection, presence and tracking, in [0, 1].
        blendshapes: whether the expression is read, too.
        faces: how many are found at most.

    Raises:
        LandmarkerUnavailableError: if MediaPipe or a library it needs is missing.
        ValueError: if the bundle is not one.
    """
    _ignore_profiling_signal()
    silence_mediapipe()
    try:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(bundle)),
            running_mode=vision.RunningMode[mode],
            num_faces=faces,
            output_face_blendshapes=blendshapes,
            min_face_detection_confidence=confidence,
            min_face_presence_confidence=confidence,
            min_tracking_confidence=confidence,
        )
        return vision.FaceLandmarker.create_from_options(options)
    except ModuleNotFoundError as error:
        raise LandmarkerUnavailableError(
            f"cannot import mediapipe ({error}); pip install 'diffmvr[landmarks]'"
        ) from error
    except (ImportError, OSError) as error:
        raise LandmarkerUnavailableError(
            f"mediapipe cannot load a system library ({error}); install libEGL, libGLES and "
            "libGL (Debian: apt-get install libegl1 libgles2 libgl1)"
        ) from error
    except RuntimeError as error:
        raise ValueError(
            f"bundle: {bundle} is not a Face Landmarker bundle ({error}); "
            f"give the path of {BUNDLE_NAME}"
        ) from error


def to_mediapipe(image: UInt8Array) -> Any:
    """Return an image ``[H, W, 3]`` uint8 RGB as MediaPipe takes it."""
    import mediapipe as mp

    return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: MediaPipe's C++ start-up lines have no other switch.

    One thread at a time: a second one would keep the first one's nowhere for what was there before.
    """
    with _SILENCE:
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(nowhere)
            os.close(kept)


def _ignore_profiling_signal() -> None:
    """Keep MediaPipe's own profiler from ending the process.

    Its threads run timers that send SIGPROF, to a handler that Python does not know of.  A program
    that puts Python's handlers back, as a Lightning trainer does at its end, puts back the default
    one: the next SIGPROF ends the process.
    """
    number = getattr(signal, "SIGPROF", None)  # Windows has none
    in_main_thread = threading.current_thread() is threading.main_thread()
    if number and in_main_thread and signal.getsignal(number) == signal.SIG_DFL:
        signal.signal(number, signal.SIG_IGN)
