"""Pictures over HTTP: rendered instances and frames, and thumbnails (PS3.18 10.4.1.1.7 and .8)."""

import hashlib
from typing import Any

from flask import Response, request

from dicom.media_types import Offer
from dicom.pictures import JPEG, MEDIA_TYPES, THUMBNAIL, Options, options_of
from server.errors import Missing
from server.flows import pictures, pixels
from server.flows.pixels import Selection
from server.web import wado
from server.web.routes import Call

_JPEG_ONLY = (Offer(JPEG),)
_ANY = tuple(Offer(kind) for kind in MEDIA_TYPES)


def rendered(call: Call) -> Response:
    """A frame, or the first frame of an instance, as a picture for people."""
    selection = wado.selected(call)
    kind = wado.chosen(_ANY, "pictures").name
    words = {name: request.args.get(name, "") for name in ("window", "viewport", "quality")}
    number = wado.frame_numbers(call.path.get("frames", "1"))[0]
    return _picture(call, selection, selection.rows[0], number, options_of(kind, **words))


def thumbnail(call: Call) -> Response:
    """A small picture that stands for a study, series, instance or frame."""
    selection = wado.selected(call)
    wado.chosen(_JPEG_ONLY, "thumbnails")
    row, number = pictures.representative(selection.rows)
    if "frames" in call.path:
        number = wado.frame_numbers(call.path["frames"])[0]
    words = request.args.get("viewport", "")
    options = options_of(viewport=words, quality=str(THUMBNAIL.quality)) if words else THUMBNAIL
    return _picture(call, selection, row, number, options)


def _picture(call: Call, selection: Selection, row: Any, number: int, options: Options) -> Response:
    if not row.frames:
        raise Missing("there is no picture in it")
    name = f"{row.sha256}|{number}|{options}"
    etag = f'"{hashlib.sha256(name.encode()).hexdigest()[:32]}"'
    if wado.is_fresh(etag):
        return wado.unchanged(etag)
    picture = pictures.rendered(call.house, call.who, row, number, options)
    tally = pixels.Tally()
    body = tally.whole([picture.data])
    response = wado.streamed(call, selection, picture.media_type, body, tally)
    response.content_length = len(picture.data)
    response.headers["ETag"] = etag
    return response
