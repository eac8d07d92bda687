"""`python -m server COMMAND`: the commands, loaded when they are asked for."""

import os
import sys
from importlib import import_module

import click

from server import VERSION
from server.config import BadSetting
from server.errors import Fault
from server.settings import PREFIX, SETTINGS

COMMANDS = {
    "serve": ("server.commands.serve", "serve"),
    "demo": ("server.commands.demo", "demo"),
    "import": ("server.commands.importing", "import_"),
    "organisation": ("server.commands.access", "organisation"),
    "group": ("server.commands.access", "group"),
    "client": ("server.commands.access", "client"),
    "peer": ("server.commands.access", "peer"),
    "token": ("server.commands.access", "token"),
    "share": ("server.commands.share", "share"),
    "contact": ("server.commands.contacts", "contact"),
    "release": ("server.commands.release", "release"),
    "user": ("server.commands.logins", "user"),
    "launch": ("server.commands.logins", "launch"),
    "keys": ("server.commands.logins", "keys"),
    "jobs": ("server.commands.operate", "jobs"),
    "review": ("server.commands.identity", "review"),
    "verify": ("server.commands.operate", "verify"),
    "rebuild": ("server.commands.operate", "rebuild"),
    "backup": ("server.commands.backup", "backup"),
    "restore": ("server.commands.backup", "restore"),
    "feed": ("server.commands.hl7", "feed"),
    "hl7": ("server.commands.hl7", "hl7"),
    "merge": ("server.commands.identity", "merge"),
    "unmerge": ("server.commands.identity", "unmerge"),
    "recall": ("server.commands.identity", "recall"),
}


class Commands(click.Group):
    """A group that imports a command's module only when it is used: start-up stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found: click.Command = getattr(import_module(module), name)
        return found

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Settings, from the environment"):
            rows = [(PREFIX + s.name, f"{s.help} [{s.default or 'empty'}]") for s in SETTINGS]
            formatter.write_dl(rows)


@click.command(
    cls=Commands,
    help="Triptych: DICOM, HL7 v2 and FHIR joined into one record for each patient. "
    "Start with `demo` to see it work, `serve` to run it.",
)
@click.version_option(VERSION, prog_name="triptych")
def cli() -> None:
    pass


def main() -> None:
    """Run a command; what the user can mend is one sentence, not a trace."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no algebra here, and roles are forked
    os.umask(0o077)  # what is written holds patients' data: it is for this user alone
    try:
        cli(prog_name="triptych")
    except (BadSetting, Fault) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
