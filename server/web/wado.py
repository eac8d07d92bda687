"""WADO-RS over HTTP (PS3.18 10.4): objects, metadata, bulk data and frames, always as streams."""

import secrets
from collections.abc import Iterable, Iterator

from flask import Response, request

from dicom import frame_types, multipart
from dicom.media_types import MULTIPART, Offer, negotiate
from server.errors import Invalid, NotAcceptable
from server.flows import pixels
from server.flows.pixels import Selection, Tally
from server.web.routes import Call

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
_JSON_OFFERS = (Offer(DICOM_JSON), Offer("application/json"))
_MOST_FRAMES = 10_000


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


def _selected(call: Call) -> Selection:
    path = call.path
    named = path["study"], path.get("series", ""), path.get("instance", "")
    return pixels.select(call.house, call.who, *named)


def objects(call: Call) -> Response:
    """A study, series or instance as Part 10 files, in the transfer syntax they are stored in."""
    selection = _selected(call)
    single = "instance" in call.path
    offer = Offer(MULTIPART, DICOM)
    for syntax in selection.syntaxes:
        offers = [Offer(MULTIPART, DICOM, syntax)]
        if single:
            offers.append(Offer(DICOM, transfer_syntax=syntax))
        offer = chosen(offers, "objects are served in the transfer syntax they are stored in")
    etag = f'"{selection.rows[0].sha256}"' if single else ""
    if single and _is_fresh(etag):
        return _unchanged(etag)
    if offer.name == DICOM:
        response = _one_object(call, selection)
    else:
        tally = Tally()
        parts = _object_parts(call, selection, tally)
        response = _multipart(call, selection, DICOM, parts, tally)
    if single:
        response.headers["ETag"] = etag
    return response


def _one_object(call: Call, selection: Selection) -> Response:
    row, tally = selection.rows[0], Tally()
    copy = pixels.copy(call.house, row)
    kind = f"{DICOM}; transfer-syntax={row.transfer_syntax}"
    response = _streamed(call, selection, kind, tally.whole(copy.chunks), tally)
    response.content_length = copy.length
    return response


def _object_parts(call: Call, selection: Selection, tally: Tally) -> Iterator[multipart.Part]:
    for row in selection.rows:
        copy = pixels.copy(call.house, row)
        headers = {
            "Content-Type": f"{DICOM}; transfer-syntax={row.transfer_syntax}",
            "Content-Length": str(copy.length),
        }
        yield headers, tally.whole(copy.chunks)


def metadata(call: Call) -> Response:
    """The DICOM JSON of a study, series or instance: stored texts, joined (PS3.18 10.4.1.1.3)."""
    selection = _selected(call)
    kind = json_type()
    etag = f'W/"{selection.claim.changed}-{selection.claim.claim}"'
    if _is_fresh(etag):
        return _unchanged(etag)
    tally = Tally()
    body = _array(pixels.metadata(call.house, call.who, selection), tally)
    response = _streamed(call, selection, kind, body, tally)
    response.headers["ETag"] = etag
    return response


def _array(texts: Iterable[str], tally: Tally) -> Iterator[bytes]:
    before = b"["
    for text in texts:
        yield from tally.whole([before + text.encode()])
        before = b",\n"
    yield b"]"


def bulkdata(call: Call) -> Response:
    """One value that the metadata names by a BulkDataURI (PS3.18 10.4.1.1.5)."""
    selection = _selected(call)
    source = pixels.source(call.house, call.who, selection.rows[0])
    path = call.path["value"]
    if source.is_encapsulated(path):
        return _frames(call, selection, source, list(range(1, source.frame_count + 1)))
    length, chunks = source.value(path)
    octets = frame_types.OCTETS
    offer = chosen([Offer(MULTIPART, octets), Offer(octets)], "bulk data is octets")
    if offer.name == MULTIPART:
        return _multipart(call, selection, octets, [({"Content-Type": octets}, chunks)])
    response = _streamed(call, selection, octets, chunks)
    response.content_length = length
    return response


def frames(call: Call) -> Response:
    """Frames by number, as stored or decoded (PS3.18 10.4.1.1.6)."""
    selection = _selected(call)
    source = pixels.source(call.house, call.who, selection.rows[0])
    return _frames(call, selection, source, _numbers(call.path["frames"]))


def _numbers(text: str) -> list[int]:
    words = text.split(",")
    if len(words) > _MOST_FRAMES or not all(w.isascii() and w.isdigit() for w in words):
        raise Invalid("frames are numbers from 1, separated by commas", expression="frames")
    return [int(word[:12]) for word in words]


def _frames(
    call: Call, selection: Selection, source: pixels.Source, numbers: list[int]
) -> Response:
    row = selection.rows[0]
    for number in numbers:
        source.check(number)
    offer = chosen(frame_types.offers(row.transfer_syntax, len(numbers) == 1), "frames")
    kind = f"{offer.content}; transfer-syntax={offer.transfer_syntax}"
    bodies = (source.frame(number) for number in numbers)
    if offer.name != MULTIPART:
        body = next(bodies)
        response = _streamed(call, selection, kind, [body])
        response.content_length = len(body)
        return response
    parts = (({"Content-Type": kind}, [body]) for body in bodies)
    return _multipart(call, selection, offer.inner, parts)


def _multipart(
    call: Call,
    selection: Selection,
    inner: str,
    parts: Iterable[multipart.Part],
    tally: Tally | None = None,
) -> Response:
    boundary = secrets.token_hex(16)
    kind = multipart.content_type(boundary, inner)
    return _streamed(call, selection, kind, multipart.write(parts, boundary), tally)


def _streamed(
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


def _is_fresh(etag: str) -> bool:
    return request.if_none_match.contains_weak(etag.removeprefix("W/").strip('"'))


def _unchanged(etag: str) -> Response:
    return Response(status=304, headers={"ETag": etag})
