"""What the DIMSE door is told by its owner, and what it tells: rules, limits and events."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from dicom.archive import Archive
from dicom.sink import Peer, SinkFactory


@dataclass(frozen=True, slots=True)
class Limits:
    """What a door grants its peers. Times are in seconds.

    `associations` may be open at once; `connections` more than that, still at their first PDU or
    saying goodbye. `max_pdu` is the longest P-DATA-TF we announce. `artim` is the time to ask for
    an association (PS3.8 9.1.5), `idle` the silence allowed between messages, `stall` the time in
    which each PDU of a message has to follow and to arrive whole.
    """

    associations: int = 64
    connections: int = 256
    max_pdu: int = 131072
    artim: float = 30.0
    idle: float = 60.0
    stall: float = 30.0


@dataclass(frozen=True, slots=True)
class Calling:
    """Who calls and whom: AE titles and the remote address. Titles are "" before the first PDU."""

    address: str
    port: int
    calling_ae: str = ""
    called_ae: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended and why.

    `kind` is rejected (A-ASSOCIATE-RJ), released, aborted (A-ABORT by either side) or lost (the
    connection broke).
    """

    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """The end of a connection, for the audit trail. `peer` is None if no association was granted.

    `stored` and `refused` count C-STORE requests that were answered, `asked` queries and
    retrievals, `received` and `given` bytes of data sets.
    """

    calling: Calling
    peer: Peer | None
    ending: Ending
    stored: int = 0
    refused: int = 0
    received: int = 0
    asked: int = 0
    given: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a door holds every association to, and whom it asks.

    `identify` names the peer or None; a caller without a name is rejected. `any_called_ae` takes
    associations meant for another AE title than ours. Without `own_receiver` pynetdicom serves
    every association, and without `archive` nobody searches or retrieves. The callbacks are called from the threads of the connections.
    """

    ae_title: str
    identify: Callable[[Calling], Peer | None]
    open_sink: SinkFactory
    on_event: Callable[[Event], None]
    limits: Limits
    any_called_ae: bool = False
    own_receiver: bool = True
    archive: Archive | None = None
    tls: ssl.SSLContext | None = None
