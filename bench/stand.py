"""Starts what is measured: our server, its peers and our limits, each on loopback in a scratch folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.fill import fill
from bench.harness import say

HOST = "127.0.0.1"
FIRST = 2_000_000
PATIENCE = 60.0
_TOKEN_SECONDS = 600.0
_ORTHANC = "/usr/sbin/Orthanc"
_DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
_STORESCP = "/usr/bin/storescp"
_PYTHON_HL7 = Path(__file__).parents[1] / ".peers" / "python-hl7" / "bin" / "python"
_PYTHON_HL7_SERVER = """
import asyncio, sys
import hl7.mllp

async def serve(reader, writer):
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack("AA"))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    port = int(sys.argv[1])
    async with await hl7.mllp.start_hl7_server(serve, "127.0.0.1", port, limit=1 << 20) as server:
        await server.serve_forever()

asyncio.run(main())
"""
_SCOPE = "system/*.cruds"
# Both as `make peers` leaves them, but for what keeps a bench from being one: logins, other limits.
_ORTHANC_SETTINGS: dict[str, Any] = {
    "Name": "bench",
    "StorageCompression": False,
    "RemoteAccessAllowed": False,
    "AuthenticationEnabled": False,
    "DicomAet": "BENCH",
    "DicomCheckCalledAet": False,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowFind": True,
    "DicomAlwaysAllowGet": True,
    "MaximumPduLength": 131072,
    "OverwriteInstances": True,
    "KeepAlive": True,
    "TcpNoDelay": True,
    "StorageAccessOnFind": "Never",
    "LimitFindResults": 0,
    "SaveJobs": False,
    "Plugins": [_DICOMWEB],
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full"},
}


@dataclass(slots=True)
class Process:
    """A running server: its process, and the ports it listens on."""

    process: subprocess.Popen[bytes]
    folder: Path
    ports: Mapping[str, int]

    def tree(self) -> list[psutil.Process]:
        """The process and all its children."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def stop(self) -> None:
        """End it and all its children."""
        children = self.tree() if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for child in psutil.wait_procs(children, 5)[1]:
            child.kill()


@dataclass(slots=True)
class Ours(Process):
    """Our own server."""

    base: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    _token: str = ""
    _since: float = 0.0

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command on the same data; gives the JSON object that it prints."""
        command = [sys.executable, "-m", "server", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    @property
    def bearer(self) -> dict[str, str]:
        """The header that lets a caller in."""
        if time.monotonic() - self._since > _TOKEN_SECONDS or not self._token:
            self._token = self.run("token", "--scope", _SCOPE)["access_token"]
            self._since = time.monotonic()
        return {"Authorization": f"Bearer {self._token}"}

    def role(self, name: str) -> Callable[[], list[psutil.Process]]:
        """Finds the processes of one role."""
        return lambda: [
            process
            for child in psutil.Process(self.process.pid).children()
            if child.name() == f"triptych-{name}"
            for process in (child, *child.children(recursive=True))
        ]


class Stand:
    """Everything that is running and its files. A block ends it all and removes them.

    Nothing is removed before: on ext4 whoever makes files soon after pays for those removed.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._filled: dict[tuple[int, int, bool], Path] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="triptych-bench-"))

    def __enter__(self) -> "Stand":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.rest()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def rest(self) -> None:
        """End everything that is running."""
        self._stack.close()

    def filled(self, studies: int, instances: int = 1, reported: bool = False) -> Path:
        """Data of ours with so many studies, from FIRST on, each of so many instances: made once."""
        kind = studies, instances, reported
        if kind not in self._filled:
            say(f"  filling a store with {studies:,} studies")
            data = self.new_folder("filled")
            fill(data, FIRST, studies, instances, reported)
            self._filled[kind] = data
        return self._filled[kind]

    def ours(self, data: Path | None = None, **settings: str) -> Ours:
        """Our server with its defaults, but for free ports and the settings given."""
        data = data or self.new_folder("ours")
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TRIPTYCH_")}
        own = {"DATA": str(data), "LOG_LEVEL": "WARNING"}
        own |= {f"{door}_PORT": "0" for door in ("HTTP", "DIMSE", "MLLP")}
        env = plain | {f"TRIPTYCH_{name}": text for name, text in (own | settings).items()}
        log = data.with_name(data.name + ".log")
        with log.open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                env=env,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert process.stdout is not None  # noqa: S101 - we asked for a pipe
        line = process.stdout.readline().decode()
        if line.startswith("setup "):
            line = process.stdout.readline().decode()
        if not line.startswith("ready "):
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        said = json.loads(line.removeprefix("ready "))
        ports = {"http": said["http"], "dimse": said["dimse"], "mllp": said["mllp"]}
        ours = Ours(process, data, ports, said["base"], env)
        self._stack.callback(ours.stop)
        return ours

    def orthanc(self) -> Process | None:
        """Debian's Orthanc with SQLite, which like us syncs each file; None where it is missing."""
        if not (Path(_ORTHANC).exists() and Path(_DICOMWEB).exists()):
            say("Orthanc is missing: its column stays empty (make peers)")
            return None
        folder = self.new_folder("orthanc")
        http, dimse = _free_ports(2)
        store = {"StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db")}
        settings = _ORTHANC_SETTINGS | store | {"HttpPort": http, "DicomPort": dimse}
        (folder / "orthanc.json").write_text(json.dumps(settings))
        command = [_ORTHANC, str(folder / "orthanc.json")]
        return self._start(command, folder, {"http": http, "dimse": dimse}, TCP_NODELAY="1")

    def storescp(self) -> Process | None:
        """dcmtk's receiver as packaged, but for the longest PDUs; None where it is missing."""
        if not Path(_STORESCP).exists():
            say("dcmtk is missing: its column stays empty (make peers)")
            return None
        folder = self.new_folder("storescp")
        (port,) = _free_ports(1)
        command = [_STORESCP, "--fork", "+B", "-pdu", "131072", "-od", str(folder), str(port)]
        return self._start(command, folder, {"dimse": port})

    def limit_scp(self) -> Process:
        """Our limit of C-STORE: see bench.limit_scp."""
        folder = self.new_folder("limit-scp")
        (port,) = _free_ports(1)
        command = [sys.executable, "-m", "bench.limit_scp", str(port), str(folder)]
        return self._start(command, folder, {"dimse": port})

    def limit_mllp(self, kind: str) -> Process:
        """A measuring rod for the HL7 door, `append` or `hl7apy`: see bench.limit_mllp."""
        folder = self.new_folder(f"mllp-{kind}")
        (port,) = _free_ports(1)
        command = [sys.executable, "-m", "bench.limit_mllp", kind, str(port), str(folder)]
        return self._start(command, folder, {"mllp": port})

    def python_hl7(self) -> Process | None:
        """python-hl7's own server, which parses and answers; None where it is missing."""
        if not _PYTHON_HL7.exists():
            say("python-hl7 is missing: its column stays empty (make peers)")
            return None
        folder = self.new_folder("python-hl7")
        (port,) = _free_ports(1)
        command = [str(_PYTHON_HL7), "-I", "-c", _PYTHON_HL7_SERVER, str(port)]
        return self._start(command, folder, {"mllp": port})

    def limit_app(self) -> Process:
        """Our limit of HTTP: see bench.limit_app. What it serves is put into its folder."""
        folder = self.new_folder("limit-app")
        (port,) = _free_ports(1)
        command = [sys.executable, "-m", "bench.limit_app", str(port), str(folder)]
        return self._start(command, folder, {"http": port})

    def new_folder(self, name: str) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def _start(
        self, command: list[str], folder: Path, ports: dict[str, int], **environment: str
    ) -> Process:
        """Start a server and wait until it listens on all its ports."""
        log = folder.with_name(folder.name + ".log")
        env = {k: v for k, v in os.environ.items() if k != "TCP_NODELAY"} | environment
        with log.open("ab") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        started = Process(process, folder, ports)
        self._stack.callback(started.stop)
        for port in ports.values():
            for listens in _listening(port):
                if listens:
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended: {log.read_text()[-2000:]}")
        return started


def _listening(port: int) -> Iterator[bool]:
    """Whether somebody listens, asked until it is so or PATIENCE ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=2).close()
        except OSError:
            yield False
            time.sleep(0.05)
        else:
            yield True
            return
    raise RuntimeError(f"nobody listens on port {port}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]
