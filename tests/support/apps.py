"""Our own small apps as programs of their own: the launch demo and the sandbox EHR."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import clock
from server.flows import clients
from server.flows.clients import Client
from tests.support.practice import Practice
from tests.support.shell import output
from tests.support.tree import ROOT


def free_port() -> int:
    """A port that nobody has now: an app's address is registered before the app starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def program(*words: str, **environment: str) -> Iterator[str]:
    """A program of smart_apps for the length of a block; gives the address that it prints."""
    command, env = [sys.executable, "-m", *words], dict(os.environ) | environment
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert " is at http://" in line, line
            yield line.rpartition(" is at ")[2].strip()
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def launch_demo(practice: Practice) -> Iterator[tuple[str, str]]:
    """The launch demo, registered and running: its address and its client_id."""
    port = free_port()
    here = f"http://127.0.0.1:{port}/"
    app = practice.app(here, name="Launch demo", launch_uri=f"{here}launch.html")
    options = ("--port", str(port), "--client", app.id, "--server", practice.fhir)
    with program("smart_apps.launch_demo", *options) as address:
        assert address == here
        yield address, app.id


@contextmanager
def sandbox_ehr(practice: Practice, app: str, folder: Path) -> Iterator[str]:
    """The sandbox EHR with a key of its own, registered and running, for one app."""
    key = folder / "ehr-key.json"
    name = "smart_apps.sandbox_ehr"
    jwks = output(sys.executable, "-m", name, "--key", key, "--make-key", cwd=ROOT)
    scope = "launch system/Patient.rs"
    wanted = Client("", 0, "Sandbox EHR", "backend", scope, "all", jwks=jwks)
    made, _ = clients.add(practice.keys.house, wanted, "home", now=clock.now())
    options = ("--key", str(key), "--client", made.id, "--app", f"{app}=Launch demo")
    with program(name, *options, "--server", practice.server.base, "--port", "0") as address:
        yield address


@contextmanager
def framing_ehr(practice: Practice, front: str, folder: Path, trust: Path) -> Iterator[str]:
    """The sandbox EHR with Drew at the screen, whose page shows the viewer in a frame."""
    key, port, name = folder / "ehr-key.json", free_port(), "smart_apps.sandbox_ehr"
    here = f"http://127.0.0.1:{port}"
    jwks = output(sys.executable, "-m", name, "--key", key, "--make-key", cwd=ROOT)
    scope = "launch vouch system/Patient.rs system/ImagingStudy.rs"
    wanted = Client("", 0, "EHR", "backend", scope, "all", frame_origins=(here,), jwks=jwks)
    made, _ = clients.add(practice.keys.house, wanted, "home", now=clock.now())
    app = f"{practice.keys.viewer()}=Viewer"
    options = ("--key", str(key), "--client", made.id, "--app", app, "--user", "drew")
    words = (*options, "--server", front, "--port", str(port))
    with program(name, *words, REQUESTS_CA_BUNDLE=str(trust)) as address:
        yield address
