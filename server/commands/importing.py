"""`import`: brings files, folders, discs and archives in."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from server import clock
from server.commands.operate import opened
from server.flows import founding
from server.flows.gathering import Bounds, check_paths, gather, weigh
from server.flows.importer import Importer, Tally, destination
from server.flows.operate import schema_version
from server.flows.sites import House


@click.command("import", short_help="Take in files, folders, discs and ZIP archives.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--organisation", default="home", show_default=True, help="Whose objects these become."
)
@click.option("--issuer", default="", help="System URI for patient numbers without an issuer.")
def import_(paths: tuple[Path, ...], organisation: str, issuer: str) -> None:
    """Import DICOM files, folders of them, discs (the folder or its DICOMDIR) and ZIP archives.

    May run beside the server. Prints a JSON object: files, accepted, warned, duplicate, rejected
    and skipped count every file once; details give the path and the reason of each that was
    rejected, skipped, or kept with a warning. Links are not followed, other archives than ZIP not
    opened; mount a disc image first.

    Exits with 1 when something was rejected and nothing at all could be kept.
    """
    check_paths(paths)
    with opened() as house:
        if schema_version(house) is None:
            founding.prepare(house, clock.now())
        tally = _import(house, paths, organisation, issuer)
    click.echo(json.dumps(asdict(tally), ensure_ascii=False))
    kept = tally.accepted + tally.warned + tally.duplicate
    sys.exit(1 if tally.rejected and not kept else 0)


def _import(house: House, paths: tuple[Path, ...], organisation: str, issuer: str) -> Tally:
    """Import with a bar on stderr."""
    config = house.config
    bounds = Bounds(entries=config.max_parts, inflated=config.max_request_bytes)
    importer = Importer(house, destination(house, organisation, issuer))
    with click.progressbar(length=weigh(paths), label="Importing", file=sys.stderr) as bar:
        return importer.run(gather(paths, bounds), bar.update)
