"""Documents in OBX-5 decode in every spelling that is sent, and are what they are called."""

from base64 import b64encode

import pytest

from hl7 import attachments
from hl7.errors import BadText
from hl7.message import Segment
from tests.support.hl7_builder import built

LIMIT = 10_000
PDF = b"%PDF-1.4\r\n" + bytes(range(256)) * 4
BASE64 = b64encode(PDF).decode()
CDA = '<?xml version="1.0" encoding="utf-8"?><ClinicalDocument xmlns="urn:hl7-org:v3">é</ClinicalDocument>'


def obx(value: str) -> Segment:
    return built("ORU^R01", f"OBX|1|ED|X||{value}||||||F").first("OBX")


def decoded(value: str, limit: int = LIMIT) -> tuple[tuple[bytes, str], ...]:
    return attachments.decode(obx(value), limit)


def wrapped(separator: str) -> str:
    return separator.join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76))


@pytest.mark.parametrize(
    "value",
    [
        f"^AP^PDF^Base64^{BASE64}",
        f"^Application^PDF^Base64^{BASE64}",
        f"RIS^application^pdf^BASE64^{BASE64}",
        f"App5^NS^Octet-stream^Base64^{BASE64}",
        f"^application^pdf^base64^{BASE64.rstrip('=')}",
        f"^AP^PDF^^{BASE64}",
        f"^AP^PDF^Hex^{PDF.hex()}",
        f"^AP^PDF^Hex^{PDF.hex(' ').upper()}",
        f"^AP^PDF^Base64^{wrapped(' ')}",
        f"^AP^PDF^Base64^{wrapped(chr(13))}",
        f"^AP^PDF^Base64^{wrapped(chr(13) + chr(10))}",
        "^AP^PDF^Base64^" + wrapped("\\.br\\"),
        "^AP^PDF^Base64^" + wrapped("\\X0D\\\\X0A\\"),
        "^AP^PDF^Base64^" + wrapped("\\X0D0A\\"),
    ],
    ids=range(14),
)
def test_a_pdf_is_found_in_every_spelling(value: str) -> None:
    assert decoded(value) == ((PDF, "application/pdf"),)


def test_several_documents_in_one_field_are_several() -> None:
    assert len(decoded(f"^AP^PDF^Base64^{BASE64}~^AP^PDF^Base64^{BASE64}")) == 2


@pytest.mark.parametrize(
    "value", [f"^text^XML^Base64^{b64encode(CDA.encode()).decode()}", f"^Text^text/xml^ASCII^{CDA}"]
)
def test_a_clinical_document_is_xml_of_its_own(value: str) -> None:
    assert decoded(value) == ((CDA.encode(), "text/xml"),)


def test_xml_in_the_message_keeps_its_delimiters_and_its_encoding() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><a b="x~y^z">é &amp; \\T\\ 中</a>'
    ((data, content_type),) = decoded(f"^Text^text/xml^A^{text}")
    assert content_type == "application/xml"
    assert data == text.replace("\\T\\", "&").replace("中", "&#20013;").encode("latin_1")


def test_plain_words_are_plain_text() -> None:
    assert decoded(f"^TEXT^^Base64^{b64encode('Grüße'.encode()).decode()}") == (
        ("Grüße".encode(), "text/plain"),
    )
    assert decoded("^TEXT^^A^Just words") == ((b"Just words", "text/plain"),)


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n.", "image/png"),
        (b"\xff\xd8\xff\xe0.", "image/jpeg"),
        (b"II*\0.", "image/tiff"),
        (b"MM\0*.", "image/tiff"),
        (b"GIF89a", "image/gif"),
        (b"PK\x03\x04.", "application/zip"),
        (b"{\\rtf1 x}", "application/rtf"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "application/xml"),
        (b"<!doctype html><p>", "text/html"),
        (bytes(128) + b"DICM" + bytes(9), "application/dicom"),
        (b"\0\1\2", "application/octet-stream"),
    ],
)
def test_bytes_say_what_they_are(data: bytes, content_type: str) -> None:
    assert decoded(f"^X^Y^Base64^{b64encode(data).decode()}") == ((data, content_type),)


BAD = [
    ("", "empty"),
    ("^AP^PDF^Base64^", "empty"),
    ("^AP^PDF^Base64", "empty"),
    ("^AP^PDF^Base64^a", "no Base64"),
    ("^AP^PDF^Base64^ab\u00e9d", "no Base64"),
    ("^AP^PDF^Base64^ab*d", "no Base64"),
    ("^AP^PDF^Hex^abc", "no hexadecimal"),
    (f"^AP^PDF^Base64^{b64encode(b'words').decode()}", "is called application/pdf"),
    (f"^IM^JPEG^Base64^{BASE64}", "is called image/jpeg"),
    (f"^AP^PDF^Base64^{b64encode(b'%PDF-' + bytes(LIMIT)).decode()}", "larger"),
    (f"^TEXT^^A^{'x' * (LIMIT + 1)}", "larger"),
    (f"^X^Y^Base64^{'A' * LIMIT * 9}", "larger"),
]


@pytest.mark.parametrize(("value", "words"), BAD, ids=range(len(BAD)))
def test_what_is_no_document_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(BadText, match=words):
        decoded(value)


def test_a_document_as_large_as_the_limit_is_taken() -> None:
    data = b"%PDF-" + bytes(LIMIT - 5)
    assert decoded(f"^AP^PDF^Base64^{b64encode(data).decode()}")[0][0] == data
