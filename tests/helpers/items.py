"""What processes do in tests; light, since each process imports it."""

import os
import time


def halve(number: int) -> float:
    """Return half a number; the process dies of 13, and 0 is an error."""
    if number == 13:
        os._exit(9)
    if number == 0:
        raise OSError("the disk is full")
    time.sleep(0.02)
    return number / 2
