"""The child processes of `serve`: web, dimse, mllp and worker."""

import multiprocessing
import multiprocessing.util
import os
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from server import config as settings
from server.commands import process
from server.flows.sites import House, open_house

ROLES = ("web", "dimse", "mllp", "worker")
_GRACE = 30
_MINUTE = 60
_SECOND = 1
# What roles run with. The second of `web` is for pictures that are made without a child.
_NEEDS = {
    "web": ("server.app", "dicom.render", "granian.server"),
    "dimse": ("server.listeners",),
    "mllp": ("server.listeners",),
    "worker": ("server.flows.worker", "server.web.share_letters"),
}


def load(names: Iterable[str]) -> None:
    """Import what these roles run with, for processes that fork from this one to share."""
    for name in names:
        for module in _NEEDS[name]:
            import_module(module)
    process.settle_down()


def run(name: str, config: settings.Config, ready: int) -> None:
    """Run one role until SIGTERM, and say so in the pipe `ready` as soon as it serves."""
    process.set_up_logging(config, name)
    if name == "web":
        web(config)
    else:
        {"dimse": dimse, "mllp": mllp, "worker": worker}[name](config, ready)


def worker(config: settings.Config, ready: int) -> None:
    """Do jobs."""
    from server.flows import notices, owing
    from server.flows.worker import OUTBOX, Worker
    from server.web import share_letters

    house = open_house(config, "worker")
    runner = Worker(house)
    others = [Worker(house, OUTBOX)]
    if config.smtp_url:
        mail = partial(notices.send, write=share_letters.write)
        others.append(Worker(house, {owing.KIND: mail}))
    if house.database.sqlite:  # embedded: `serve` has locked the folder and runs one worker
        runner.take_over()
    names = ("outbox", "mail")
    sending = [
        threading.Thread(target=one.run, name=name, daemon=True)
        for one, name in zip(others, names, strict=False)
    ]
    threading.current_thread().name = "jobs"
    process.on_stop(runner.stop)
    process.settle_down()
    process.report_ready(ready)
    for thread in sending:
        thread.start()
    runner.run()
    for other, thread in zip(others, sending, strict=True):
        other.stop()
        thread.join(_GRACE)
    house.close()


def dimse(config: settings.Config, ready: int) -> None:
    """Listen for DICOM associations."""
    from server.listeners import dicom_doors

    house = open_house(config, "dimse")
    _stand(house, dicom_doors(house), ready)


def mllp(config: settings.Config, ready: int) -> None:
    """Listen for HL7 messages."""
    from server.listeners import mllp_doors

    house = open_house(config, "mllp")
    _stand(house, mllp_doors(house), ready)


class _Door(Protocol):
    """Something that listens at a port of its own."""

    port: int
    turned_away: int

    @property
    def open(self) -> int: ...
    def start(self) -> None: ...
    def stop(self, grace: float) -> None: ...


def _stand(house: House, doors: Mapping[str, _Door], ready: int) -> None:
    """Open the doors of a role, and close them when it is to stop."""
    stopping = threading.Event()
    process.on_stop(stopping.set)
    for door in doors.values():
        door.start()
    process.settle_down()
    process.report_ready(ready, **{name: door.port for name, door in doors.items()})
    _tend(house, doors, stopping)
    for door in doors.values():
        door.stop(_GRACE)
    house.close()


def _tend(house: House, doors: Mapping[str, _Door], stopping: threading.Event) -> None:
    """Say each second how many connections are open; look after the audit chain once a minute."""
    due = time.monotonic() + _MINUTE
    while True:
        for name, door in doors.items():
            house.counters.put("connections_open", door.open, door=name)
            house.counters.put("turned_away_total", door.turned_away, door=name)
        if stopping.wait(_SECOND):
            return
        if time.monotonic() >= due:
            due = time.monotonic() + _MINUTE
            house.auditor.tend()


def web(config: settings.Config) -> None:
    """Answer HTTP with granian: a main process and its workers."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    os.register_at_fork(after_in_child=process.stop_at_once)  # granian leaves its own handlers
    os.environ.update(settings.environment(config))  # for `application`
    Server(
        "server.commands.roles:application",
        factory=True,
        address=config.host,
        port=config.http_port,
        interface=Interfaces.WSGI,
        workers=config.http_workers,
        blocking_threads=config.http_threads,
        workers_kill_timeout=_GRACE,
        respawn_failed_workers=True,
        log_level=LogLevels.error,
        working_dir=Path.cwd(),
    ).serve()


def application() -> Any:
    """The WSGI application of one web worker."""
    from server.app import create_app

    config = settings.load()
    main = multiprocessing.parent_process()
    process.die_with_parent(main.pid if main else None)
    process.set_up_logging(config, "web")
    house = open_house(config, "web")
    house.counters.put("up", 1)
    threading.Thread(target=_tend_forever, args=(house,), name="tend", daemon=True).start()
    # Workers are multiprocessing children, which run no atexit handlers.
    multiprocessing.util.Finalize(None, house.close, exitpriority=10)
    app = create_app(house)
    process.settle_down()
    return app


def _tend_forever(house: House) -> None:
    process.end_dead_connections(house.config.http_stall_seconds)
    while True:
        time.sleep(_MINUTE)
        house.auditor.tend()
