"""Libraries that report on their use to their makers, told not to before they start.

Both do it from native code, where nothing in Python sees it.  ``tests/integration/test_network.py``
counts what leaves the process.
"""

import os

# A scheme that libcurl does not know: it gives up before it opens a socket.
NO_PROXY_AT_ALL = "none://diffmvr"


def silence_wandb() -> None:
    """Switch off W&B's reports of errors and use.  Call it before wandb is imported.

    Its service sends them also for a run that is offline.  A run that is uploaded is uploaded all
    the same.
    """
    os.environ["WANDB_ERROR_REPORTING"] = "false"


def silence_mediapipe() -> None:
    """Keep MediaPipe's usage reports from leaving.  Call it before a task is created.

    MediaPipe has no switch for them.  It sends them with libcurl, which reads the proxy from the
    environment of C for each request; here it is one that cannot exist.  ``os.environ`` stays as it
    is, so Python's own clients keep the user's proxy; processes that are started later inherit it.
    """
    os.putenv("https_proxy", NO_PROXY_AT_ALL)
    # The lower-case name wins over NO_PROXY, by which a user may have excepted every host.
    os.putenv("no_proxy", ".invalid")
