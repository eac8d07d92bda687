"""The DICOM and HL7 doors wired to flows: who may call, where things go, what is recorded."""

import ssl
from collections.abc import Callable
from typing import TypeVar

from dicom.errors import DicomError, Refused
from dicom.rules import Calling, Event, Limits, Rules
from dicom.scp import Door
from dicom.sink import Peer, Receipt, Sink, StoreRequest
from hl7 import mllp
from hl7 import rules as hl7_rules
from server import errors, trace
from server.config import BadSetting, Config
from server.errors import Fault
from server.flows import answers, audit, ingest, messages, parties
from server.flows.archive import PeerArchive
from server.flows.feeds import PLAIN, SECURE, Connecting
from server.flows.sites import HOME, House
from server.settings import PREFIX

R = TypeVar("R")


def dicom_doors(house: House) -> dict[str, Door]:
    """The doors for DICOM associations over one house, plain and over TLS, not yet started."""
    config, doors = house.config, dict[str, Door]()
    if config.plain_dicom:
        doors["dimse"] = _dicom_door(house, config.dimse_port)
    if config.dimse_tls_certificate:
        doors["dimses"] = _dicom_door(house, config.dimse_tls_port, _tls(config, "dimse"))
    return doors


def _dicom_door(house: House, port: int, tls: ssl.SSLContext | None = None) -> Door:
    config = house.config
    limits = Limits(
        associations=config.max_associations,
        max_pdu=config.max_pdu,
        idle=config.dimse_idle_seconds,
    )

    def identify(calling: Calling) -> Peer | None:
        trace.begin()
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
        archive=PeerArchive(house),
        tls=tls,
    )
    return Door(config.host, port, rules)


def _record(house: House, event: Event) -> None:
    """One audit row for the end of an association; objects have rows of their own."""
    turned_away = event.peer is None
    words = f"{event.ending.kind} {event.ending.reason}".strip()
    count = house.counters.add
    count("connections_total", door="dimse", ending=event.ending.kind)
    count("received_bytes_total", event.received, door="dimse")
    count("sent_bytes_total", event.given, door="dimse")
    if event.refused:
        count("objects_received_total", event.refused, door="dimse", outcome="refused")
    if event.peer is not None and event.given:
        house.auditor.left(event.peer.organisation, "dimse", event.given)
    house.auditor.note(
        audit.Event(
            organisation=event.peer.organisation if event.peer else HOME,
            door="dimse",
            action="refuse" if turned_away else "execute",
            outcome="4" if turned_away else "0",
            grant=event.peer.name if event.peer else "",
            client=event.calling.calling_ae,
            address=event.calling.address,
            detail=f"association {words}; {event.stored} stored, {event.refused} refused, {event.asked} asked",
            count=event.stored,
            bytes=event.received,
        )
    )


def mllp_doors(house: House) -> dict[str, mllp.Door[messages.Caller]]:
    """The doors for HL7 messages over one house, plain and over TLS, not yet started."""
    config, doors = house.config, dict[str, mllp.Door[messages.Caller]]()
    if config.plain_hl7:
        doors[PLAIN] = _mllp_door(house, PLAIN, config.mllp_port)
    if config.mllp_tls_certificate:
        doors[SECURE] = _mllp_door(house, SECURE, config.mllp_tls_port, _tls(config, "mllp"))
    return doors


def _tls(config: Config, door: str) -> ssl.SSLContext:
    """Our side of a door over TLS; with a client CA only who is vouched for comes in."""
    names = ("certificate", "key", "client_ca")
    certificate, key, client_ca = (getattr(config, f"{door}_tls_{name}") for name in names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a single one may be trusted
    except ssl.SSLError as bad:
        raise BadSetting(
            f"{PREFIX}{door.upper()}_TLS_*: no PEM certificates and their key ({bad.reason})"
        ) from bad
    return context


def _mllp_door(
    house: House, listener: str, port: int, tls: ssl.SSLContext | None = None
) -> mllp.Door[messages.Caller]:
    config = house.config

    def identify(caller: hl7_rules.Caller) -> messages.Caller | None:
        trace.begin()
        shown = (
            frozenset((*caller.names, caller.fingerprint)) if caller.fingerprint else frozenset()
        )
        return messages.greet(house, Connecting(caller.address, listener, shown))

    limits = hl7_rules.Limits(
        connections=config.mllp_connections,
        message=config.mllp_max_bytes,
        idle=config.mllp_idle_seconds,
    )
    rules: hl7_rules.Rules[messages.Caller] = hl7_rules.Rules(
        identify=identify,
        receive=lambda caller, raw: messages.receive(house, caller, raw),
        stamp=answers.stamp,
        on_event=lambda event: _record_connection(house, event),
        limits=limits,
        tls=tls,
    )
    return mllp.Door(config.host, port, rules)


def _record_connection(house: House, event: hl7_rules.Event[messages.Caller]) -> None:
    """One audit row for the end of a connection; messages have rows of their own."""
    turned_away = event.feed is None
    words = f"{event.ending.kind} {event.ending.reason}".strip()
    counts = f"{event.answered} answered, {event.refused} refused, {event.failed} failed"
    house.counters.add("connections_total", door=messages.DOOR, ending=event.ending.kind)
    house.counters.add("received_bytes_total", event.received, door=messages.DOOR)
    house.auditor.note(
        audit.Event(
            organisation=event.feed.organisation if event.feed else HOME,
            door=messages.DOOR,
            action="refuse" if turned_away else "execute",
            outcome="4" if turned_away else "0",
            address=event.caller.address,
            detail=f"connection {words}; {counts}",
            count=event.answered,
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
