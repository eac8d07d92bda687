"""One page of text as a PDF (ISO 32000-1), in a letter that every reader has."""

import textwrap
from collections.abc import Iterator, Sequence

_WIDE, _HIGH, _MARGIN, _LINE = 595, 842, 64, 15
_COLUMNS = 84


def page(title: str, head: Sequence[str], sections: Sequence[tuple[str, str]]) -> bytes:
    """A page with a title, lines below it, and sections with headings."""
    text = b"\n".join(_drawn(title, head, sections))
    return _file(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 6 0 R "
        b"/Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>" % (_WIDE, _HIGH),
        _font(b"Helvetica"),
        _font(b"Helvetica-Bold"),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
    )


def _font(name: bytes) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name


def _drawn(title: str, head: Sequence[str], sections: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """The operators that write every line, from the top down."""
    place = _HIGH - _MARGIN
    yield _line(title, place, b"/F2 18")
    for line in head:
        place -= _LINE + 3
        yield _line(line, place, b"/F1 11")
    for heading, text in sections:
        place -= 2 * _LINE
        yield _line(heading, place, b"/F2 11")
        for line in textwrap.wrap(text, _COLUMNS):
            place -= _LINE
            yield _line(line, place, b"/F1 11")


def _line(text: str, place: int, font: bytes) -> bytes:
    coded = text.encode("cp1252", "replace")
    for special in (b"\\", b"(", b")"):
        coded = coded.replace(special, b"\\" + special)
    return b"BT %s Tf %d %d Td (%s) Tj ET" % (font, _MARGIN, place, coded)


def _file(*objects: bytes) -> bytes:
    """Numbered objects with their table (ISO 32000-1 7.5)."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)
