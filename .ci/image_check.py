"""Sees the container image serve, without Docker: `make image-check` (root, Debian, minutes).

The Dockerfile is carried out in Debian roots. The result runs as its own user, on a read-only root in
a network of its own, with its volume as the only writable place, until its own health check says yes.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from image_build import PROJECT, Image, build

READY_SECONDS = 60
# What the image leaves to whoever runs it.
SETTINGS = {"TRIPTYCH_BASE_URL": "https://images.example"}

# What a container engine does before it starts the process.
CONTAINER = """
set -eu
ip link set lo up
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
for volume in $VOLUMES; do mount --bind "$ROOT.volume$volume" "$ROOT$volume"; done
mount -o remount,bind,ro "$ROOT"
exec "$@"
"""


def main() -> int:
    """Build every stage, run the last one; returns 0 when it serves and stops cleanly."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        print("image-check needs root and debootstrap (make peers)", file=sys.stderr)
        return 1
    scratch = Path(tempfile.mkdtemp(prefix="triptych-image-"))
    try:
        image = build((PROJECT / "Dockerfile").read_text(encoding="utf-8"), scratch)
        make_volumes(image)
        return serve(image)
    finally:
        shutil.rmtree(scratch)


def make_volumes(image: Image) -> None:
    """Make each volume beside the root, with the owner and mode that the image gives it."""
    for volume in image.volumes:
        beside = Path(f"{image.root}.volume{volume}")
        beside.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", f"{image.root}{volume}", str(beside)], check=True)


def inside(image: Image, command: list[str]) -> list[str]:
    """Return the command that runs `command` in the image's root, as its user, in its folder."""
    script = f"cd {image.folder} && exec {shlex.join(command)}"
    variables = [f"{name}={value}" for name, value in (image.variables | SETTINGS).items()]
    user = f"--userspec={image.user}:{image.user}"
    return ["chroot", user, str(image.root), "env", "-i", *variables, "/bin/sh", "-c", script]


def serve(image: Image) -> int:
    """Run the image until its health check passes, then stop it with SIGTERM."""
    command = inside(image, image.entrypoint + image.command)
    environment = {**os.environ, "ROOT": str(image.root), "VOLUMES": " ".join(image.volumes)}
    server = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", CONTAINER, "sh", *command], env=environment
    )
    try:
        healthy = wait_until_healthy(image, server)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=60)
    print(f"health check passed: {healthy}; exit code after SIGTERM: {code}")
    return 0 if healthy and code == 0 else 1


def wait_until_healthy(image: Image, server: subprocess.Popen[bytes]) -> bool:
    """Ask the image's own health check, from inside, until it passes or the time is up."""
    enter = ["nsenter", "--target", str(server.pid), "--mount", "--net"]
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if has_own_network(server.pid):
            check = [*enter, *inside(image, image.health)]
            if subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode == 0:
                return True
        time.sleep(1)
    return False


def has_own_network(pid: int) -> bool:
    """Before it has, the check would ask whatever else listens on this machine."""
    return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


if __name__ == "__main__":
    sys.exit(main())
