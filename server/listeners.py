"""The DICOM door wired to flows: who may call, where objects go, what is recorded."""

from collections.abc import Callable
from typing import TypeVar

from dicom.errors import DicomError, Refused
from dicom.rules import Calling, Event, Limits, Rules
from dicom.scp import Door
from dicom.sink import Peer, Receipt, Sink, StoreRequest
from server import errors
from server.errors import Fault
from server.flows import audit, ingest, parties
from server.flows.sites import HOME, House

R = TypeVar("R")


def dicom_door(house: House) -> Door:
    """A Door over one house, not yet started."""
    config = house.config
    limits = Limits(
        associations=config.max_associations,
        max_pdu=config.max_pdu,
        idle=config.dimse_idle_seconds,
    )

    def identify(calling: Calling) -> Peer | None:
        return parties.identify(house, calling.calling_ae, calling.address)

    def open_sink(request: StoreRequest) -> Sink:
        return _Translated(_translate(lambda: ingest.open_sink(house, request)))

    def on_event(event: Event) -> None:
        _record(house, event)

    rules = Rules(
        ae_title=config.ae_title,
        identify=identify,
        open_sink=open_sink,
        on_event=on_event,
        limits=limits,
        any_called_ae=config.doors_open,
    )
    return Door(config.host, config.dimse_port, rules)


def _record(house: House, event: Event) -> None:
    """One audit row for the end of an association; objects have rows of their own."""
    turned_away = event.peer is None
    words = f"{event.ending.kind} {event.ending.reason}".strip()
    house.auditor.note(
        audit.Event(
            organisation=event.peer.organisation if event.peer else HOME,
            door="dimse",
            action="refuse" if turned_away else "execute",
            outcome="4" if turned_away else "0",
            grant=event.peer.name if event.peer else "",
            client=event.calling.calling_ae,
            address=event.calling.address,
            detail=f"association {words}; {event.stored} stored, {event.refused} refused",
            count=event.stored,
            bytes=event.received,
        )
    )


class _Translated:
    """A Sink whose errors are DIMSE refusals."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: memoryview) -> None:
        _translate(lambda: self._sink.write(data))

    def commit(self) -> Receipt:
        return _translate(self._sink.commit)

    def abort(self) -> None:
        self._sink.abort()


def _translate(action: Callable[[], R]) -> R:
    try:
        return action()
    except (Fault, DicomError) as error:
        raise Refused(errors.dimse_status(error), str(error)) from error
