"""SIGTERM and SIGHUP end a command as Ctrl-C does, so that it can clean up after itself.

Schedulers send the first before they kill; a terminal that is closed sends the second.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class StoppedError(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """Raise ``StoppedError`` in the block, in the main thread, when a signal asks to end.

    A signal that is ignored (``nohup``) or has a handler is left as it is.  Where a library puts a
    handler of its own in front for a while, that one decides: Lightning ends a training at the end
    of a step, from where it can go on exactly.  SIGHUP is handed to it as SIGTERM.

    Yields:
        The signals that came, also those that a library decided about.
    """
    received: list[int] = []
    owner, raised = os.getpid(), False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if os.getpid() != owner:
            # A copy of this process, which has nothing to clean up.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        received.append(number)
        in_front = signal.getsignal(signal.SIGTERM)
        if in_front is not stop:
            if number != signal.SIGTERM and callable(in_front):
                in_front(signal.SIGTERM, frame)
        elif not raised:
            # A second one does not break off the cleaning up.
            raised = True
            raise StoppedError(number)

    own: list[int] = []
    if threading.current_thread() is threading.main_thread():
        own = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    if signal.SIGTERM not in own:
        own = []
    for number in own:
        signal.signal(number, stop)
    try:
        yield received
    finally:
        for number in own:
            if signal.getsignal(number) is stop:
                signal.signal(number, signal.SIG_DFL)
