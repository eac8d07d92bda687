"""`backup` and `restore`: the store as a copy in a folder, and its objects sent back to a PACS."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from dicom.outgoing import NotTaken
from server.commands.operate import opened
from server.errors import Busy
from server.flows import backup as flow
from server.flows.restoring import Progress, Restore
from server.flows.sites import House


@click.command(short_help="Copy the store to a folder while the server runs.")
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--check", is_flag=True, help="Read a backup again instead, and say whether it is whole."
)
@click.option("--link", is_flag=True, help="Hard links instead of copies, on the same disk.")
def backup(path: Path, check: bool, link: bool) -> None:
    """Copy the database and every object and document to PATH; nobody has to wait.

    What was acknowledged before is in it. Run it again into the same folder: only what is new is
    copied, also after a run that was cut off. The folder is a data folder: to restore, copy it and
    start `serve` on the copy.

    Prints a JSON object; exits with 1 when something is missing or changed.
    """
    faults = _check(path) if check else list[str]()
    if check:
        click.echo(json.dumps({"whole": not faults, "faults": faults}))
    else:
        with opened() as house:
            told, faults = _copy(house, path, link)
        click.echo(json.dumps(told | {"faults": faults}))
    sys.exit(1 if faults else 0)


def _copy(house: House, path: Path, link: bool) -> tuple[dict[str, object], list[str]]:
    run, faults = flow.Backup(house, path, link=link), list[str]()
    with click.progressbar(length=1, label="Database", file=sys.stderr) as bar:

        def progress(left: int, of: int) -> None:
            bar.length = of
            bar.update(of - left - bar.pos)

        length = run.begin(progress)
    with click.progressbar(length=length, label="Objects", file=sys.stderr) as bar:
        for count, fault in run.blobs():
            faults += [fault] if fault else []
            bar.update(count)
    return run.finish(), faults


def _check(path: Path) -> list[str]:
    faults = list[str]()
    length = flow.named(path)
    with click.progressbar(length=length, label="Reading the backup", file=sys.stderr) as bar:
        for count, fault in flow.check(path):
            faults += [fault] if fault else []
            bar.update(count)
    return faults


@click.command(short_help="Send everything back to a PACS.")
@click.option("--to", "title", required=True, metavar="AE", help="A peer, as `peer add` knows it.")
@click.option("--organisation", default="home", show_default=True, help="Whose objects.")
@click.option("--again", is_flag=True, help="From the beginning, not from where it was cut off.")
def restore(title: str, organisation: str, again: bool) -> None:
    """Send every study to a peer by C-STORE, its data sets byte for byte as they are stored.

    May run beside the server. A restore that was cut off goes on behind its last whole study. What
    is withheld from peers is not sent.

    Prints a JSON object; exits with 1 when objects were refused or the peer was lost.
    """
    with opened() as house:
        told, lost = _restore(Restore(house, title, organisation, again=again))
    click.echo(json.dumps({**asdict(told), "lost": lost}))
    sys.exit(1 if told.refused or lost else 0)


def _restore(run: Restore) -> tuple[Progress, str]:
    """Send what is ahead; gives how far it came and why no further, "" at its end."""
    with click.progressbar(length=run.left(), label="Studies", file=sys.stderr) as bar:
        try:
            for _ in run.run():
                bar.update(1)
        except (NotTaken, Busy) as error:
            return run.progress, str(error)
    return run.progress, ""
