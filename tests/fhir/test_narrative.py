"""A narrative shows text and does nothing else (R4 txt-1, txt-2)."""

import pytest

from fhir.narrative import SILENT, fault


def div(inner: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'


@pytest.mark.parametrize(
    "inner",
    [
        "Ann",
        '<p class="x" style="color: red">Ann &amp; Bob &#160;</p>',
        '<a href="https://h.example/x">x</a><a name="y">y</a>',
        '<a href="ImagingStudy/1.2:3">relative</a>',
        '<img src="data:image/png;base64,AAAA" alt="x"/>',
        '<table><tr><td colspan="2">1</td></tr></table>',
        '<span xml:lang="fr" lang="fr">oui</span>',
    ],
)
def test_harmless_markup_passes(inner: str) -> None:
    assert fault(div(inner)) == ""


@pytest.mark.parametrize(
    "text",
    [
        div("<script>x()</script>"),
        div('<p onclick="x()">a</p>'),
        div('<a href="javascript:x()">a</a>'),
        div('<a href=" java\tscript:x()">a</a>'),
        div('<img src="data:text/html,x"/>'),
        div('<p style="background: url(http://x)">a</p>'),
        div("<form>a</form>"),
        div("<iframe/>a"),
        div("a &nbsp; b"),
        div("<p>a"),
        div('<svg xmlns="http://www.w3.org/2000/svg">a</svg>'),
        div("<?php x ?>a"),
        "<div>a</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
        '<!DOCTYPE div [<!ENTITY a "b">]>' + div("&a;"),
        "plain",
        "",
    ],
)
def test_what_runs_fetches_or_is_no_xhtml_is_refused(text: str) -> None:
    assert fault(text) not in ("", SILENT)


def test_a_narrative_that_tells_nothing_is_refused() -> None:
    assert fault(div(" <p> </p> ")) == SILENT
