"""Accept values choose the representation that PS3.18 8.7.5 says."""

import pytest

from dicom.errors import Malformed
from dicom.media_types import MULTIPART, Offer, negotiate, parse

LITTLE = "1.2.840.10008.1.2.1"
J2K = "1.2.840.10008.1.2.4.90"
STORED = Offer(MULTIPART, "application/dicom", J2K)
PLAIN = Offer(MULTIPART, "application/dicom", LITTLE)
SINGLE = Offer("application/dicom", transfer_syntax=J2K)
INSTANCES = (STORED, PLAIN, SINGLE)

JP2 = Offer(MULTIPART, "image/jp2", J2K)
OCTETS = Offer(MULTIPART, "application/octet-stream", LITTLE)
FRAMES = (OCTETS, JP2)

JSON = Offer("application/dicom+json")
XML = Offer(MULTIPART, "application/dicom+xml")
METADATA = (JSON, XML)

JPEG, PNG = Offer("image/jpeg"), Offer("image/png")
PICTURES = (JPEG, PNG)


@pytest.mark.parametrize(
    ("accept", "offers", "chosen"),
    [
        ("", INSTANCES, STORED),
        ("*/*", INSTANCES, STORED),
        ("*", INSTANCES, STORED),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', INSTANCES, STORED),
        ('multipart/related; type="application/dicom"', INSTANCES, PLAIN),
        ("multipart/related; type=application/dicom", INSTANCES, PLAIN),
        (f'multipart/related;type="application/dicom";transfer-syntax={J2K}', INSTANCES, STORED),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2', INSTANCES, None),
        ("application/dicom; transfer-syntax=*", INSTANCES, SINGLE),
        ("application/dicom", INSTANCES, SINGLE),
        ('multipart/related; type="application/dicom"', (STORED,), STORED),
        ("multipart/related", METADATA, XML),
        ('multipart/related; type="image/*"', FRAMES, JP2),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', FRAMES, OCTETS),
        ('multipart/related; type="image/jp2"', FRAMES, JP2),
        ("application/dicom+json", METADATA, JSON),
        ("application/json", METADATA, None),
        ("text/html, application/*;q=0.5", METADATA, JSON),
        ("image/*", PICTURES, JPEG),
        ("image/png, image/jpeg", PICTURES, PNG),
        ("image/png;q=0.5, image/jpeg;q=0.9", PICTURES, JPEG),
        ("image/jpeg;q=0, */*", PICTURES, PNG),
        ("image/webp, */*;q=0.1", PICTURES, JPEG),
        ("image/gif", PICTURES, None),
        ("image/png;q=0", PICTURES, None),
        (" , image/png ; q=.5 ,, ", PICTURES, PNG),
    ],
)
def test_the_header_chooses(accept: str, offers: tuple[Offer, ...], chosen: Offer | None) -> None:
    assert negotiate(accept, "", offers) == chosen


@pytest.mark.parametrize(
    ("accept", "query", "chosen"),
    [
        ("", "image/png", PNG),
        ("*/*", "image/png", PNG),
        ("image/*", "image/png", PNG),
        ("image/jpeg", "image/png", JPEG),
        ("*/*", "image/gif", JPEG),
        ("text/html", "image/png", None),
    ],
)
def test_the_query_chooses_as_far_as_the_header_allows(
    accept: str, query: str, chosen: Offer | None
) -> None:
    assert negotiate(accept, query, PICTURES) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        "image",
        "image/",
        "/",
        "image/png;q=2",
        "image/png;q=x",
        "image/png image/jpeg",
        "a/b," * 100,
    ],
)
def test_an_accept_value_that_cannot_be_read_is_refused(accept: str) -> None:
    with pytest.raises(Malformed):
        negotiate(accept, "", PICTURES)


def test_parameters_are_read_with_their_quotes() -> None:
    media_type = parse('Application/DICOM+JSON; charset="utf-8" ; Profile="a;b\\"c";')
    assert media_type.name == "application/dicom+json"
    assert media_type.parameters == {"charset": "utf-8", "profile": 'a;b"c'}
    for broken in ("", "text", "text/plain; x", 'a/b; c="d'):
        with pytest.raises(Malformed):
            parse(broken)
