"""The page about DICOMweb says what the tables in the code say."""

import re
from pathlib import Path

import pytest

from dicom.query import KEYS, LEVELS, MOST_WILDCARDS
from server.flows.query import MOST
from tests.support.tree import read

PAGE = read(Path("docs/dicomweb.md"))


@pytest.mark.parametrize("level", LEVELS)
def test_the_page_lists_exactly_the_keys_of_a_level(level: str) -> None:
    [row] = re.findall(rf"^\| {level} \| (.+) \|$", PAGE, re.MULTILINE)
    assert row.split(", ") == [key.keyword for key in KEYS.values() if key.level == level]


def test_the_page_states_the_limits() -> None:
    words = {5: "five"}
    assert f"at most {words[MOST_WILDCARDS]} `*`" in PAGE
    assert f"at most {MOST['study']:,} studies or {MOST['series']:,} series or instances" in PAGE
    assert MOST["series"] == MOST["instance"]
