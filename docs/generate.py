"""Writes docs/reference/ from the tables in the code, so that the pages cannot go stale.

`python -m docs.generate` (make docs) writes the pages; a test compares them with what it would write.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from docs import agreement_page, dicom_page, fhir_page, hl7_page, mapping_page, seen, smart_page
from docs.tables import NOTE, table
from server.app import ROUTES
from server.errors import Fault
from server.settings import PREFIX, SETTINGS, Setting
from server.web.routes import Linked, Public, Route, Scoped, Signed

REFERENCE = Path(__file__).parent / "reference"
HEAD = ("Address", "Methods", "Who may", "What it does", "Seen by")


def pages() -> dict[str, str]:
    """Return the text of every generated page by file name."""
    return {
        "addresses.md": addresses_page(),
        "dicom.md": dicom_page.page(),
        "errors.md": errors_page(),
        "fhir.md": fhir_page.page(),
        "hl7.md": hl7_page.page(),
        "hl7-agreement.md": agreement_page.page(),
        "mapping.md": mapping_page.page(),
        "settings.md": settings_page(),
        "smart.md": smart_page.page(),
    }


def addresses_page() -> str:
    """Return the page of HTTP addresses from the route table."""
    doors = {route.door: None for route in ROUTES}
    parts = [f"\n## {door}\n\n" + table(HEAD, addresses(door)) for door in doors]
    return (
        f"# Addresses\n\n{NOTE}\n"
        "Every address of the server, the methods it takes, and who may use it. A scope such as\n"
        "`ImagingStudy.r` is read as `patient/ImagingStudy.r` or `system/ImagingStudy.r`.\n"
        + "".join(parts)
    )


def addresses(door: str) -> Iterable[tuple[str, ...]]:
    """Yield the rows of one door's table."""
    for route in ROUTES:
        if route.door == door:
            address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)
            usual = seen.DESK if isinstance(route.access, Signed) else seen.MATRIX
            test = seen.ADDRESSES.get(route.rule, usual)
            methods = ", ".join(route.methods)
            yield (f"`{address}`", methods, who(route), route.summary, f"`{test}`")


def who(route: Route) -> str:
    """Say who may use an address."""
    match route.access:
        case Public(why):
            return f"anybody: {why}"
        case Scoped(type_, letter):
            return f"`{type_}.{letter}`"
        case Linked(type_, letter):
            return f"the holder of a Magic Link, for `{type_}.{letter}` of what it shows"
        case Signed(roles):
            return f"who is signed in as {' or '.join(roles)}"


def settings_page() -> str:
    """Return the page of environment variables from `server/config.py`."""
    rows = [(f"`{PREFIX}{row.name}`", kind(row), default(row), row.help) for row in SETTINGS]
    return (
        f"# Settings\n\n{NOTE}\n"
        "Triptych is configured by environment variables alone. A size takes K, M, G or T. A secret\n"
        "may stand in a file: set the name with `_FILE` appended to the file's path. A value that\n"
        "cannot be used, or a combination that is not safe, refuses to start with a sentence.\n\n"
        + table(("Variable", "Kind", "Default", "Meaning"), rows)
    )


def errors_page() -> str:
    """Return the page of errors from `server/errors.py`: what each door says of them."""
    rows = [
        (
            row.__name__,
            str(row.answer.http),
            f"`{row.answer.issue}`",
            f"0x{row.answer.dimse:04X}",
            row.answer.patient,
            f"`{seen.ERRORS}`",
        )
        for row in faults()
    ]
    head = ("Error", "HTTP", "OperationOutcome code", "DIMSE", "To a patient", "Seen by")
    return (
        f"# Errors\n\n{NOTE}\n"
        "One table decides what every door says of an error. Over HTTP the body is an\n"
        "OperationOutcome whose text says what was wrong, what was expected and what to do; a\n"
        "search says a more exact code where R4 has one. `/oauth` answers in the JSON of RFC 6749,\n"
        "with the same status. What is wrong with a DICOM object: [dicom.md](dicom.md).\n\n"
        + table(head, rows)
    )


def kind(setting: Setting) -> str:
    """Return the kind of a setting in words."""
    name, _, choices = setting.kind.partition(":")
    return f"one of {choices.replace('|', ', ')}" if name == "choice" else setting.kind


def default(setting: Setting) -> str:
    """Return the default as code, or `empty`."""
    return f"`{setting.default}`" if setting.default else "empty"


def faults(kind: type[Fault] = Fault) -> Iterable[type[Fault]]:
    """Yield an error class of `server/errors.py` and those below it, by their HTTP statuses."""
    yield kind
    for below in sorted(kind.__subclasses__(), key=lambda fault: fault.answer.http):
        if below.__module__ == Fault.__module__:
            yield from faults(below)


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
