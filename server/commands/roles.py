"""The child processes of `serve`: web, dimse, mllp and worker."""

import multiprocessing
import multiprocessing.util
import threading
import time
from pathlib import Path
from typing import Any

import click

from server import config as settings
from server.commands import process
from server.flows.sites import House, open_house

ROLES = ("web", "dimse", "mllp", "worker")
_GRACE = 30
_MINUTE = 60


@click.command(hidden=True)
@click.argument("name", type=click.Choice(ROLES))
def role(name: str) -> None:
    """Run one role until SIGTERM; `serve` starts these."""
    config = settings.load()
    process.die_with_parent()
    process.watch_parent()
    process.set_up_logging(config, name)
    {"web": web, "dimse": dimse, "mllp": mllp, "worker": worker}[name](config)


def worker(config: settings.Config) -> None:
    """Do jobs."""
    from server.flows.worker import OUTBOX, Worker

    house = open_house(config, "worker")
    runner, outbox = Worker(house), Worker(house, OUTBOX)
    if house.database.sqlite:  # embedded: `serve` has locked the folder and runs one worker
        runner.take_over()
    sending = threading.Thread(target=outbox.run, name="outbox", daemon=True)
    process.on_stop(runner.stop)
    process.settle_down()
    process.report_ready()
    sending.start()
    runner.run()
    outbox.stop()
    sending.join(_GRACE)
    house.close()


def dimse(config: settings.Config) -> None:
    """Listen for DICOM associations."""
    from server.listeners import dicom_door

    house = open_house(config, "dimse")
    door = dicom_door(house)
    stopping = threading.Event()
    process.on_stop(stopping.set)
    door.start()
    process.settle_down()
    process.report_ready(dimse=door.port)
    _tend(house, stopping)
    door.stop(_GRACE)
    house.close()


def mllp(config: settings.Config) -> None:
    """Listen for HL7 messages."""
    from server.listeners import mllp_doors

    house = open_house(config, "mllp")
    doors = mllp_doors(house)
    stopping = threading.Event()
    process.on_stop(stopping.set)
    for door in doors.values():
        door.start()
    process.settle_down()
    process.report_ready(**{name: door.port for name, door in doors.items()})
    _tend(house, stopping)
    for door in doors.values():
        door.stop(_GRACE)
    house.close()


def _tend(house: House, stopping: threading.Event) -> None:
    """Look after the audit chain once a minute until the process stops."""
    while not stopping.wait(_MINUTE):
        house.auditor.tend()


def web(config: settings.Config) -> None:
    """Answer HTTP with granian: a main process and its workers."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    import server.app  # noqa: F401 - imported before the workers fork, who then share its memory

    process.settle_down()
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
