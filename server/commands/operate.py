"""`jobs`, `verify` and `rebuild`: what an operator looks at, and puts right."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from server import config as settings
from server.flows import operate, rebuilding
from server.flows.sites import House, open_house


@contextmanager
def opened() -> Iterator[House]:
    """The stores, for one command."""
    house = open_house(settings.load(), "command")
    try:
        yield house
    finally:
        house.close()


@click.group()
def jobs() -> None:
    """Work that waits, runs or was parked."""


@jobs.command("list")
@click.option(
    "--state",
    type=click.Choice(["", "pending", "running", "parked"]),
    default="",
    metavar="pending|running|parked",
    help="Only these.",
)
def jobs_list(state: str) -> None:
    """Print one JSON object for each job, with the reason if it failed."""
    with opened() as house:
        for job in operate.job_list(house, state):
            click.echo(json.dumps(job))


@jobs.command("retry")
@click.argument("job", type=int, required=False)
def jobs_retry(job: int | None) -> None:
    """Run parked jobs again: one by its id, or all."""
    with opened() as house:
        click.echo(json.dumps({"retried": operate.retry_jobs(house, job)}))


@click.command(short_help="Check stored objects and the audit.")
def verify() -> None:
    """Read every stored object and document again, compare it with its row, and check the audit: its chains, and
    that the bytes it tells of are those that left by each door.

    Prints a JSON object; exits with 1 when anything is missing or changed.
    """
    with opened() as house:
        tally, faults = operate.Check(), list[str]()
        with click.progressbar(
            operate.verify_blobs(house),
            length=operate.count_blobs(house),
            label="Reading objects",
            file=sys.stderr,
        ) as bar:
            for check, fault in bar:
                tally = check
                faults += [fault] if fault else []
        faults += operate.verify_audit(house)
    click.echo(json.dumps(asdict(tally) | {"faults": faults}))
    sys.exit(1 if faults else 0)


@click.command(short_help="Make everything derived anew.")
def rebuild() -> None:
    """Make anew what was made from stored objects and from the log of messages: the rows of the
    index, FHIR resources, what they are found by. For rows that were lost, and after an upgrade whose
    notes ask for it.

    The server may run beside it, and does what was asked for as jobs. What people decided and clients
    wrote stays. A rebuild that was cut off is begun again. Prints a JSON object; exits with 1 when
    an object could not be read.
    """
    done, faults = dict[str, int](), list[str]()
    with opened() as house:
        for step in rebuilding.steps(house):
            done[step.name] = step.count
            with click.progressbar(
                step.faults, length=step.count, label=f"Going through {step.name}", file=sys.stderr
            ) as bar:
                faults += filter(None, bar)
    click.echo(json.dumps(done | {"faults": faults}))
    sys.exit(1 if faults else 0)
