"""Carries out the steps of a Dockerfile in Debian roots made by debootstrap, without Docker.

`FROM` copies a fresh root, `RUN` is a chroot, `COPY` a copy. The machine's own ways to its registries
are lent to the roots while they are built, and taken back before they run.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LENT = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
LENT_APT = ("sources.list", "sources.list.d", "apt.conf.d", "auth.conf.d", "preferences.d")


@dataclass
class Image:
    """A root folder, and what the Dockerfile says of running it."""

    root: Path
    name: str = ""
    user: str = "0"
    folder: str = "/"
    volumes: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def build(dockerfile: str, scratch: Path) -> Image:
    """Carry out every step below `scratch`; returns the last stage."""
    stages: list[Image] = []
    for word, rest in instructions(dockerfile):
        print(f"{word} {rest}", flush=True)
        if word == "FROM":
            stages.append(begin(rest, scratch, len(stages)))
        elif word == "COPY":
            copy(rest, stages)
        elif word == "RUN":
            run(rest, stages[-1])
        else:
            note(word, rest, stages[-1])
    for stage in stages:
        take_back(stage.root)
    return stages[-1]


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield (word, rest) of each instruction, continued lines joined and comments dropped."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, " ".join(rest.split())


def begin(rest: str, scratch: Path, number: int) -> Image:
    """Start a stage from a Debian root; the root is made once for all stages."""
    origin, _, name = rest.partition(" AS ")
    suite = origin.removeprefix("debian:").removesuffix("-slim")
    base = scratch / suite
    if not base.exists():
        command = ["debootstrap", "--variant=minbase", suite, str(base), mirror_of(suite)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    root = scratch / f"stage{number}"
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    return Image(root, name, variables={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def mirror_of(suite: str) -> str:
    """Return the archive from which this machine's own apt takes the suite."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    for column in ("Suite", "Codename"):
        command = [*targets, f"{column}: {suite}"]
        found = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
        if found:
            return found[0]
    raise SystemExit(f"this machine's apt has no source for {suite}: run apt-get update first")


def lend(root: Path) -> None:
    """Give a root this machine's settings for apt and pip."""
    lent = [*map(Path, LENT), *(Path("/etc/apt", name) for name in LENT_APT)]
    for path in filter(Path.exists, lent):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy(path, target)


def take_back(root: Path) -> None:
    """Remove what was lent for pip, so that the image stands on its own when it runs."""
    for name in LENT:
        (root / name.lstrip("/")).unlink(missing_ok=True)


def run(rest: str, image: Image) -> None:
    """Run one shell step inside the stage, as root."""
    lend(image.root)  # anew each time: a step may install files of the same names
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment = {**image.variables, **pip, "DEBIAN_FRONTEND": "noninteractive"}
    script = f"cd {image.folder} && {rest}"
    subprocess.run(
        ["chroot", str(image.root), "/bin/sh", "-ec", script], env=environment, check=True
    )


def copy(rest: str, stages: Iterable[Image]) -> None:
    """Copy one file or folder from the project or from an earlier stage into the last one."""
    *options, source, target = rest.split()
    roots = {f"--from={stage.name}": stage.root for stage in stages}
    origin = roots[options[0]] if options else PROJECT
    *_, image = stages
    found, into = origin / source.lstrip("/"), image.root / target.lstrip("/")
    into.parent.mkdir(parents=True, exist_ok=True)
    if found.is_dir():
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(found, into, symlinks=True, ignore=unwanted)
    else:
        shutil.copy(found, into)


def note(word: str, rest: str, image: Image) -> None:
    """Remember what an instruction says of running the image."""
    match word:
        case "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                image.variables[name] = value
        case "WORKDIR":
            image.folder = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = rest
        case "VOLUME":
            image.volumes.append(rest)
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "CMD":
            image.command = json.loads(rest)
        case "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD ")[2])
        case "EXPOSE":
            pass
        case _:
            raise SystemExit(f"image-check does not understand {word}")
