"""`serve`: prepares the stores, starts the roles, says where they listen."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from server import clock
from server import config as settings
from server.commands import process
from server.commands.supervisor import Supervisor, reserve
from server.config import BadSetting, Config
from server.flows import first_operator, founding, metrics, recovery, samples, signing
from server.flows.sites import House, keep_address, open_house

Check = Callable[[House], None]

_ROLES = ("worker", "dimse", "mllp", "web")
_DYING = 30.0  # seconds that the children of a killed server get to disappear


def claim(config: Config) -> int:
    """Lock the data folder for one server; gives the lock's descriptor, not to be closed.

    The children inherit it, so the folder is free only when the last process of a server that
    was killed has gone. Raises BadSetting while another server runs on it.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    lock = os.open(config.data / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _DYING
    while not _locked(lock):
        holder = int(os.pread(lock, 20, 0) or 0)
        if _lives(holder) or time.monotonic() > deadline:
            raise BadSetting(
                f"another server (process {holder}) runs on {config.data}: stop it, or give "
                "this one a folder of its own with TRIPTYCH_DATA"
            )
        time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _lives(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare(config: Config, before: Check | None = None) -> None:
    """Bring the stores to the present schema, let `before` look, mend what a crash left."""
    house = open_house(config, "serve")
    try:
        founding.prepare(house, clock.now())
        keep_address(house)
        signing.prepare(house, now=clock.now())
        samples.refuse_exposed_demo(house)
        if before is not None:
            before(house)
        mended = recovery.mend(house)
    finally:
        house.close()
    if mended:
        click.echo(f"recovered {mended} objects that a crash had left unindexed", err=True)


def roles(only: str) -> tuple[str, ...]:
    """The roles named by --only, in the order in which they start."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(wanted) - set(_ROLES)
    if unknown:
        raise BadSetting(f"--only knows {', '.join(_ROLES)}, not {', '.join(sorted(unknown))}")
    return tuple(name for name in _ROLES if not wanted or name in wanted)


def start(config: Config, only: str = "", before: Check | None = None) -> Supervisor:
    """Prepare and start; the supervisor that comes back has every role serving."""
    process.set_up_logging(config, "serve")
    claim(config)
    metrics.begin(config)
    config, held = reserve(config)
    prepare(config, before)
    supervisor = Supervisor(config, roles(only), held)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    signal.signal(signal.SIGINT, lambda *_: supervisor.stop())
    supervisor.start()
    return supervisor


@click.command(short_help="Start the server.")
@click.option("--only", default="", metavar="web,dimse,mllp,worker", help="Start only these roles.")
def serve(only: str) -> None:
    """Start the server: FHIR, DICOMweb and OAuth over HTTP, DICOM over DIMSE, HL7 over MLLP.

    While there is no operator, prints `setup` and an address: whoever opens it within an hour makes
    one, once. Prints one line `ready {"dimse": 11112, "mllp": 2575, "http": 8080, "base": "http://…"}` when
    every listener answers. Ctrl-C or SIGTERM stops it after open requests have ended.
    """
    invitation: list[str] = []

    def invite(house: House) -> None:
        if "web" in roles(only):
            invitation.append(first_operator.address(house, now=clock.now()))

    supervisor = start(settings.load(), only, before=invite)
    for address in filter(None, invitation):
        click.echo(f"setup {address}")
    click.echo(supervisor.ready_line())
    sys.stdout.flush()
    sys.exit(supervisor.run())
