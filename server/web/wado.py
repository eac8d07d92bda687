"""WADO-RS over HTTP (PS3.18 10.4): objects, metadata, bulk data and frames, always as streams."""

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request

from dicom import frame_types, multipart
from dicom.media_types import MULTIPART, Offer, negotiate
from server.errors import Invalid, NotAcceptable
from server.flows import pictures, pixels
from server.flows.pixels import Selection, Tally
from server.web.routes import Call

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
_JSON_OFFERS = (Offer(DICOM_JSON), Offer("application/json"))
_MOST_FRAMES = 10_000
_CHUNK = 1 << 18


def chosen(offers: Iterable[Offer], what: str) -> Offer:
    """The offer that the caller takes, or NotAcceptable naming what there is."""
    found = list(offers)
    accept = request.headers.get("Accept", "")
    offer = negotiate(accept, request.args.get("accept", ""), found)
    if offer is None:
        raise NotAcceptable(f"{what}: ask for {', or '.join(_spelt(one) for one in found)}")
    return offer


def json_type() -> str:
    """The media type of an answer in DICOM JSON."""
    return chosen(_JSON_OFFERS, "this exists in JSON only").name


def _spelt(offer: Offer) -> str:
    words = [offer.name]
    if offer.inner:
        words.append(f'type="{offer.inner}"')
    if offer.transfer_syntax:
        words.append(f"transfer-syntax={offer.transfer_syntax}")
    return "; ".join(words)


def selected(call: Call) -> Selection:
    """What the address of a request means to its caller."""
    path = call.path
    named = path["study"], path.get("series", ""), path.get("instance", "")
    return pixels.select(call.house, call.who, *named)


def objects(call: Call) -> Response:
    """A study, series or instance as Part 10 files, in the transfer syntax they are stored in."""
    selection = selected(call)
    single = "instance" in call.path
    offer = Offer(MULTIPART, DICOM)
    for syntax in selection.syntaxes:
        offers = [Offer(MULTIPART, DICOM, syntax)]
        if single:
            offers.append(Offer(DICOM, transfer_syntax=syntax))
        offer = chosen(offers, "objects are served in the transfer syntax they are stored in")
    etag = pixels.etag(selection) if single else ""
    if single and is_fresh(etag):
        return unchanged(etag)
    if offer.name == DICOM:
        response = _one_object(call, selection)
    else:
        response = _many_objects(call, selection)
    if single:
        response.headers["ETag"] = etag
    return response


def _one_object(call: Call, selection: Selection) -> Response:
    row, tally = selection.rows[0], Tally()
    copy = pixels.copy(call.house, selection.claim, row)
    response = streamed(call, selection, _dicom_type(row), tally.whole(copy.chunks), tally)
    response.content_length = copy.length
    return response


def _many_objects(call: Call, selection: Selection) -> Response:
    """Every object as a part. The length is said first, so that nobody takes half for the whole."""
    tally, boundary = Tally(), secrets.token_hex(16)
    lengths = pixels.lengths(call.house, selection)
    headers = [
        {"Content-Type": _dicom_type(row), "Content-Length": str(length)}
        for row, length in zip(selection.rows, lengths, strict=True)
    ]
    frame = multipart.write(((fields, ()) for fields in headers), boundary)
    bodies = (
        tally.whole(pixels.copy(call.house, selection.claim, row).chunks) for row in selection.rows
    )
    chunks = multipart.write(zip(headers, bodies, strict=True), boundary)
    kind = multipart.content_type(boundary, DICOM)
    response = streamed(call, selection, kind, chunks, tally)
    response.content_length = sum(lengths) + sum(map(len, frame))
    return response


def _dicom_type(row: Any) -> str:
    return f"{DICOM}; transfer-syntax={row.transfer_syntax}"


def metadata(call: Call) -> Response:
    """The DICOM JSON of a study, series or instance: stored texts, joined (PS3.18 10.4.1.1.3)."""
    selection = selected(call)
    kind = json_type()
    claim = selection.claim
    # What is released to the caller may change where the study does not.
    etag = f'W/"{claim.changed}-{claim.claim}-{claim.coerced}-{len(selection.rows)}"'
    if is_fresh(etag):
        return unchanged(etag)
    tally = Tally()
    body = _array(pixels.metadata(call.house, call.who, selection), tally)
    response = streamed(call, selection, kind, body, tally)
    response.headers["ETag"] = etag
    return response


def _array(texts: Iterable[str], tally: Tally) -> Iterator[bytes]:
    """A JSON array, handed over in chunks of a useful size."""
    chunk, before = bytearray(), b"["
    for text in texts:
        chunk += before + text.encode()
        before = b",\n"
        tally.count += 1
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk) + b"]"


def bulkdata(call: Call) -> Response:
    """One value that the metadata names by a BulkDataURI (PS3.18 10.4.1.1.5)."""
    selection = selected(call)
    source = pixels.source(call.house, call.who, selection.rows[0])
    path = call.path["value"]
    if source.is_encapsulated(path):
        return _frames(call, selection, source, list(range(1, source.frame_count + 1)))
    length, chunks = source.value(path)
    octets = frame_types.OCTETS
    offer = chosen([Offer(MULTIPART, octets), Offer(octets)], "bulk data is octets")
    if offer.name == MULTIPART:
        return _multipart(call, selection, octets, [({"Content-Type": octets}, chunks)])
    response = streamed(call, selection, octets, chunks)
    response.content_length = length
    return response


def frames(call: Call) -> Response:
    """Frames by number, as stored or decoded (PS3.18 10.4.1.1.6)."""
    selection = selected(call)
    source = pixels.source(call.house, call.who, selection.rows[0])
    return _frames(call, selection, source, frame_numbers(call.path["frames"]))


def frame_numbers(text: str) -> list[int]:
    """The frame list of an address: whole numbers, separated by commas."""
    words = text.split(",")
    if len(words) > _MOST_FRAMES or not all(w.isascii() and w.isdigit() for w in words):
        raise Invalid("frames are numbers from 1, separated by commas", expression="frames")
    return [int(word[:12]) for word in words]


def _frames(
    call: Call, selection: Selection, source: pixels.Source, numbers: list[int]
) -> Response:
    stored = selection.rows[0].transfer_syntax
    for number in numbers:
        source.check(number)
    offer = chosen(frame_types.offers(stored, len(numbers) == 1), "frames")
    kind = f"{offer.content}; transfer-syntax={offer.transfer_syntax}"
    as_stored = frame_types.is_native(stored) or offer.transfer_syntax == stored
    bodies = (
        source.frame(number)
        if as_stored
        else pictures.decoded(call.house, call.who, source, number)
        for number in numbers
    )
    if offer.name != MULTIPART:
        body = next(bodies)
        response = streamed(call, selection, kind, [body])
        response.content_length = len(body)
        return response
    parts = (({"Content-Type": kind}, [body]) for body in bodies)
    return _multipart(call, selection, offer.inner, parts)


def _multipart(
    call: Call,
    selection: Selection,
    inner: str,
    parts: Iterable[multipart.Part],
) -> Response:
    boundary = secrets.token_hex(16)
    kind = multipart.content_type(boundary, inner)
    return streamed(call, selection, kind, multipart.write(parts, boundary))


def streamed(
    call: Call,
    selection: Selection,
    kind: str,
    chunks: Iterable[bytes],
    tally: Tally | None = None,
) -> Response:
    """A body that is counted as it leaves; its event is open from now until it has left."""
    seen = pixels.reading(call.house, call.who, selection)
    body = pixels.counted(seen, chunks, tally or Tally())
    response = Response(body, content_type=kind)
    response.call_on_close(seen.end)
    return response


def is_fresh(etag: str) -> bool:
    """Whether the caller has this representation already (RFC 9110 13.1.2)."""
    return request.if_none_match.contains_weak(etag.removeprefix("W/").strip('"'))


def unchanged(etag: str) -> Response:
    """The answer to a caller who has it already."""
    return Response(status=304, headers={"ETag": etag})
