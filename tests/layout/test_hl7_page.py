"""The page about HL7 says what the tables in the code say."""

import re
from pathlib import Path

from hl7.events import EVENTS
from server.settings import SETTINGS
from server.store import messages
from tests.support.tree import read

PAGE = read(Path("docs/integrate/hl7.md"))


def test_the_page_lists_exactly_the_messages_that_are_mapped() -> None:
    rows = re.findall(r"^\| ([A-Z]{3}\^.+?) \|", PAGE, re.MULTILINE)
    listed = [kind for row in rows for kind in row.split(", ")]
    assert sorted(listed) == sorted(EVENTS)


def test_events_about_a_person_alone_write_no_visit() -> None:
    [row] = re.findall(r"^\| (.+) \| Patient \|$", PAGE, re.MULTILINE)
    alone = [kind for kind, event in EVENTS.items() if event.family == "person"]
    assert sorted(row.split(", ")) == sorted(alone)


def test_the_page_states_the_port_and_the_states_of_a_message() -> None:
    [port] = [setting.default for setting in SETTINGS if setting.name == "MLLP_PORT"]
    assert f"`TRIPTYCH_MLLP_PORT` ({port})" in PAGE
    assert f"`{messages.UNMAPPED}`" in PAGE
