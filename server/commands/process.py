"""What every process of the server does the same way: logging, living with its parent, stopping."""

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from server.config import Config

_PR_SET_PDEATHSIG = 1
PARENT_PIPE = "TRIPTYCH_PARENT_PIPE"
READY_PIPE = "TRIPTYCH_READY_PIPE"


def set_up_logging(config: Config, role: str) -> None:
    """One line an event on stderr, with the role; libraries that print secrets are quietened."""
    logging.basicConfig(
        level=config.log_level,
        stream=sys.stderr,
        format=f"%(asctime)s {role} %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for name in ("authlib", "urllib3", "pydicom"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(config.log_level)))
    # These tell each step at INFO; pynetdicom also prints traces for what a hostile peer sends.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends (an orphan would keep the port)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_parent() -> None:
    """End this process when the supervisor's pipe closes, however the supervisor ended."""
    pipe = os.environ.get(PARENT_PIPE)
    if pipe is None:
        return

    def wait() -> None:
        os.read(int(pipe), 1)
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def report_ready(word: str) -> None:
    """Tell the supervisor that this child serves; `word` is its port, or anything."""
    pipe = os.environ.get(READY_PIPE)
    if pipe is not None:
        os.write(int(pipe), f"{word}\n".encode())
        os.close(int(pipe))


def on_stop(action: Callable[[], None]) -> None:
    """Run an action once when the process is asked to stop."""

    def stop(_signal: int, _frame: object) -> None:
        action()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
