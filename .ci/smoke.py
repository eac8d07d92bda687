"""Start a server command, wait for its `ready` line, ask /readyz, stop it with SIGTERM, expect exit 0."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import IO


def main(command: list[str]) -> int:
    """Run the command on free ports in a folder of its own; return 0 when it did all it should."""
    with tempfile.TemporaryDirectory() as folder:
        server = start(command, Path(folder))
        try:
            ready = wait_until_ready(server.stdout)
            with urllib.request.urlopen(f"http://127.0.0.1:{ready['http']}/readyz") as answer:
                print(f"/readyz answers {answer.status}", flush=True)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=60)
    print(f"stopped with exit code {code}")
    return code


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start the command with its data in `folder`."""
    ports = {f"TRIPTYCH_{door}_PORT": "0" for door in ("HTTP", "DIMSE", "MLLP")}
    environment = {**os.environ, **ports, "TRIPTYCH_DATA": str(folder / "data")}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def wait_until_ready(lines: IO[str] | None) -> dict[str, int]:
    """Return the ports of the `ready {...}` line; fail when the output ends without one."""
    for line in lines or ():
        print(line, end="", flush=True)
        word, _, rest = line.partition(" ")
        if word == "ready":
            ports: dict[str, int] = json.loads(rest)
            return ports
    raise SystemExit("the server ended before it was ready")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
