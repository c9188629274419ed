"""Notes what a Python process asks of the network; put this folder on PYTHONPATH.

It writes to the file that ``NETWORK_LOG`` names, one line for each look-up of a name and for each
connection that is neither a local socket nor to this machine.
"""

import os
import socket
import sys

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
CONNECTIONS = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
HERE = ("127.", "::1", "localhost", "0.0.0.0")


def note(event: str, arguments: tuple) -> None:
    if event in LOOK_UPS:
        where = arguments[0]
    elif event in CONNECTIONS and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        where = (arguments[1] or [""])[0]
    else:
        return
    where = where.decode() if isinstance(where, bytes) else str(where or "")
    if where and not where.startswith(HERE):
        with open(os.environ["NETWORK_LOG"], "a") as file:  # noqa: PTH123
            file.write(f"{event} {where}\n")


if "NETWORK_LOG" in os.environ:
    sys.addaudithook(note)
