"""One recording's fault is told; what would stop every other one ends the work."""

import errno

import av
import pytest
import torch

from diffmvr.preprocessing.mediapipe_runtime import LandmarkerUnavailableError
from diffmvr.runs.faults import why_it_failed


class PanicException(BaseException):
    """What polars raises where it stumbles: no Exception."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("input: a.mp4 has no video stream"), "input: a.mp4 has no video stream"),
        (FileNotFoundError("masks: none"), "masks: none"),
        (LandmarkerUnavailableError("no MediaPipe"), "no MediaPipe"),
        (AttributeError("no attribute 'name'\nsecond line"), "AttributeError: no attribute 'name'"),
        (ZeroDivisionError(), "ZeroDivisionError: no reason given"),
        (PanicException("index out of bounds"), "PanicException: index out of bounds"),
        # A damaged file claims sizes that no memory would be enough for.
        (av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory", "a.mp4"), "a.mp4"),
    ],
)
def test_whatever_one_recording_fails_by_is_one_line(error: BaseException, told: str) -> None:
    assert told in why_it_failed(error)
    assert "\n" not in why_it_failed(error)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_the_work_wherever_it_shows(number: int) -> None:
    try:
        try:
            raise OSError(number, "No space left on device", "video.mp4")
        except OSError as error:
            raise RuntimeError("encoder failed") from error
    except RuntimeError as error:
        with pytest.raises(OSError, match=r"; make room .*video\.mp4") as raised:
            why_it_failed(error)
    assert raised.value.errno == number


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9 GiB"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_lack_of_memory_ends_the_work(error: Exception) -> None:
    with pytest.raises(MemoryError, match="what is finished stays"):
        why_it_failed(error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_who_ends_the_program_is_heard(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        why_it_failed(kind())
