"""What the MLLP door is told by its owner, and what it tells: rules, limits and events."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hl7.ack import Stamp
from hl7.profiles import MESSAGE_LIMIT

Feed = TypeVar("Feed")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a door grants its callers. Sizes are in bytes, times in seconds.

    `connections` may be open at once. `message` is the largest frame and `noise` the most bytes
    between two frames. `handshake` is the time for TLS, `idle` the silence allowed between
    frames, `stall` the silence within one, and `frame` the time in which a frame has to arrive
    whole. `undecided` is how long an FS may stand without its CR before it counts as the end.
    """

    connections: int = 256
    message: int = MESSAGE_LIMIT
    noise: int = 65536
    handshake: float = 10.0
    idle: float = 3600.0
    stall: float = 30.0
    frame: float = 300.0
    undecided: float = 0.2


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connected: the remote address, the port it came to, and its certificate under TLS.

    `names` are the common name and the DNS names of the certificate, `fingerprint` is the SHA-256
    of its DER form in hexadecimal.
    """

    address: str
    port: int
    listener: int
    names: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended and why.

    `kind` is refused (no feed, no TLS), closed (by the caller, between frames), ended (by us) or
    lost (broken within a frame).
    """

    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event(Generic[Feed]):
    """The end of a connection, for the audit trail. `feed` is None if the caller has none.

    `answered` counts the frames that were handed over, `refused` those that were too large, and
    `failed` those that could not be taken.
    """

    caller: Caller
    feed: Feed | None
    ending: Ending
    answered: int = 0
    refused: int = 0
    failed: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Rules(Generic[Feed]):
    """What a door holds every connection to, and whom it asks.

    `identify` names the feed of a caller or None, which closes the connection. `receive` takes the
    content of one frame and returns the answer when it is durable (b"": no answer); whatever it
    raises is told to the sender as "send it again". `stamp` dates the door's own answers. The
    callbacks are called from the threads of the connections; the frames of one connection come
    one after the other.
    """

    identify: Callable[[Caller], Feed | None]
    receive: Callable[[Feed, bytes], bytes]
    stamp: Callable[[], Stamp]
    on_event: Callable[[Event[Feed]], None]
    limits: Limits = Limits()
    tls: ssl.SSLContext | None = None
