"""What every process of the server does the same way: logging, living with its parent, stopping."""

import ctypes
import gc
import json
import logging
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from server.commands import logs
from server.config import Config

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
STOPPERS = (signal.SIGTERM, signal.SIGINT)


def set_up_logging(config: Config, role: str) -> None:
    """One line an event on stderr, with the role; libraries that print secrets are quietened."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.Json(role) if config.log_format == "json" else logs.Text(role))
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    for name in ("authlib", "urllib3", "pydicom"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(config.log_level)))
    # These tell each step at INFO; pynetdicom also prints traces for what a hostile peer sends.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to end this process when its parent ends (an orphan would keep the port).

    `parent` is who it is if it still lives: it may have ended before we asked.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent not in (None, os.getppid()):
        os._exit(1)


def name(role: str) -> None:
    """Call this process after its role, for `ps`, `top` and whoever looks for it."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, f"triptych-{role}".encode())


def watch_parent(pipe: int) -> None:
    """End this process when the supervisor's pipe closes, however the supervisor ended."""

    def wait() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def settle_down() -> None:
    """Leave what start-up has made out of garbage collection: much to look through, never garbage."""
    gc.collect()
    gc.freeze()


def report_ready(pipe: int, **ports: int) -> None:
    """Tell the supervisor that this child serves, and on which ports."""
    os.write(pipe, f"{json.dumps(ports)}\n".encode())
    os.close(pipe)


def end_dead_connections(seconds: int) -> None:
    """Let the kernel end connections whose peer takes or acknowledges nothing for so long.

    A peer that vanished in mid-transfer would hold its thread forever. granian has no limit for
    that and keeps its listener to itself; connections inherit these options from the listener,
    which is found among this process's descriptors as soon as it listens.
    """
    while not any(_limit(int(number), seconds) for number in os.listdir("/proc/self/fd")):
        time.sleep(0.05)


def _limit(descriptor: int, seconds: int) -> bool:
    """Set the options on a descriptor if it is a listening socket; tells whether it is."""
    tcp, milliseconds = socket.IPPROTO_TCP, seconds * 1000
    with suppress(OSError):  # closed meanwhile
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as one:
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                one.setsockopt(tcp, socket.TCP_KEEPIDLE, max(1, seconds // 2))
                one.setsockopt(tcp, socket.TCP_KEEPINTVL, max(1, seconds // 6))
                one.setsockopt(tcp, socket.TCP_USER_TIMEOUT, milliseconds)
                return True
    return False


def on_stop(action: Callable[[], None]) -> None:
    """Run an action once when the process is asked to stop."""

    def stop(_signal: int, _frame: object) -> None:
        action()

    for number in STOPPERS:
        signal.signal(number, stop)


def stop_at_once() -> None:
    """Let what asks this process to stop end it: a fork has its parent's ways until it has its own."""
    for number in STOPPERS:
        signal.signal(number, signal.SIG_DFL)
