"""What a test may leave behind by mistake: threads that still run and sockets that still listen."""

import threading
import time
from collections.abc import Iterable

import psutil

# A thread that was told to stop may need a moment; only one that stays is a leak.
PATIENCE = 5.0


def threads_left(before: Iterable[threading.Thread], patience: float = PATIENCE) -> list[str]:
    """Return the names of threads started since `before` that do not end within the patience."""
    deadline = time.monotonic() + patience
    started = [thread for thread in threading.enumerate() if thread not in set(before)]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in started if thread.is_alive()]


def listening_ports() -> set[int]:
    """Return the TCP ports on which this process listens."""
    connections = psutil.Process().net_connections(kind="tcp")
    return {item.laddr.port for item in connections if item.status == psutil.CONN_LISTEN}
