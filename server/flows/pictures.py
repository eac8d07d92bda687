"""Rendered pictures, thumbnails and decoded frames of stored instances (PS3.18 10.4.1.1.7)."""

from collections.abc import Sequence
from typing import Any

from dicom.facts_json import load
from dicom.pictures import Frame, Options, Picture
from dicom.prepare import prepare
from server.errors import Missing
from server.flows import pixels
from server.flows.access import Grant
from server.flows.pixels import Source
from server.flows.sites import House
from server.store import dicom_search

_BOX = 1024


def representative(rows: Sequence[Any]) -> tuple[Any, int]:
    """The instance and frame that stand for a study or series: the middle of what has pictures."""
    pictured = [row for row in rows if row.frames]
    if not pictured:
        raise Missing("there is no picture in it")
    row = pictured[len(pictured) // 2]
    return row, (row.frames + 1) // 2


def rendered(house: House, grant: Grant, row: Any, number: int, options: Options) -> Picture:
    """The picture of one frame. Missing for a frame that there is not."""

    def frame() -> Frame:
        source = pixels.source(house, grant, row)
        return frame_of(house, grant, source, number)

    if not 1 <= number <= row.frames:
        raise Missing(f"there is no frame {number}: the instance has {row.frames}")
    return house.darkroom.picture((row.sha256, number, options), frame)


def small(house: House, grant: Grant, row: Any, number: int) -> Picture:
    """A frame as a picture for a copy to keep: as large as it is, within a box."""
    frame = frame_of(house, grant, pixels.source(house, grant, row), number)
    larger = max(frame.rows, frame.columns) > _BOX
    return house.darkroom.made(
        frame, Options(viewport=(_BOX, _BOX) if larger else None, quality=85)
    )


def decoded(house: House, grant: Grant, source: Source, number: int) -> bytes:
    """One frame without compression, as explicit VR little endian would hold it."""
    return house.darkroom.decoded(frame_of(house, grant, source, number)).data


def frame_of(house: House, grant: Grant, source: Source, number: int) -> Frame:
    """A frame with what it takes to decode and show it."""
    row = source.row
    with house.database.read() as connection:
        model = dicom_search.models(connection, grant.organisation, [row.uid])[row.uid]
    facts = load(source.facts)
    return prepare(model, facts, source.frame(number), number, source.whole)
