"""The DIMSE door: one port, a thread for each connection, two engines behind it.

Storage and verification alone go to our own receiver, everything else to pynetdicom.
"""

import logging
import socket
import time
from threading import Event as Flag
from threading import Lock, Thread, current_thread

from dicom import pdu
from dicom.association import LIMIT_EXCEEDED, Reception
from dicom.rules import Calling, Rules
from dicom.wire import LINGER, Wire

BACKLOG = 128
PAUSE = 0.1  # seconds to wait when the system has no descriptor left for a connection

log = logging.getLogger(__name__)


class Door:
    """Listens for associations from `start` to `stop`. Port 0 takes a free one, see `port`."""

    def __init__(self, host: str, port: int, rules: Rules) -> None:
        self.host = host
        self.port = port
        self._limit = rules.limits.connections
        self._stopping = Flag()
        self._reception = Reception(rules, self._stopping.is_set)
        self._lock = Lock()
        self._wires: dict[Thread, Wire] = {}
        self._listener: socket.socket | None = None
        self._acceptor: Thread | None = None
        self.turned_away = 0  # connections beyond the limit

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._wires)

    def start(self) -> None:
        """Bind, listen and return; from now on connections are answered."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._acceptor = Thread(target=self._accept, args=(listener,), name="dimse-door")
        self._acceptor.daemon = True
        self._acceptor.start()

    def stop(self, grace: float) -> None:
        """Stop listening, end idle associations now and the others after their message.

        What still runs after `grace` seconds loses its connection.
        """
        self._stopping.set()
        if self._listener is None or self._acceptor is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)  # on Linux this wakes accept
        self._acceptor.join()
        self._listener.close()
        self._listener = None
        self._wait(grace)
        with self._lock:
            remaining = list(self._wires.values())
        for wire in remaining:
            wire.cut()
        self._wait(LINGER)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._lock:
            threads = list(self._wires)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = listener.accept()
            except OSError as error:
                if not self._stopping.wait(PAUSE):
                    log.warning("No connection could be accepted: %s", error.strerror)
                continue
            self._admit(connection, Calling(address[0], address[1]))

    def _admit(self, connection: socket.socket, calling: Calling) -> None:
        try:
            wire = Wire(connection)
        except OSError:  # reset while it waited
            connection.close()
            return
        thread = Thread(target=self._serve, args=(wire, calling), name=f"dimse-{calling.port}")
        thread.daemon = True
        with self._lock:
            full = len(self._wires) >= self._limit
            if not full:
                self._wires[thread] = wire
        if full:
            self._turn_away(wire)
            return
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._leave(thread)
            self._turn_away(wire)

    def _serve(self, wire: Wire, calling: Calling) -> None:
        try:
            self._reception.meet(wire, calling)
        finally:
            self._leave(current_thread())

    def _leave(self, thread: Thread) -> None:
        with self._lock:
            del self._wires[thread]

    def _turn_away(self, wire: Wire) -> None:
        """Reject without reading the request: the listening thread waits for nobody."""
        self.turned_away += 1
        log.warning("A connection beyond the limit of %d was rejected", self._limit)
        limit = LIMIT_EXCEEDED
        wire.send_last(pdu.pack_associate_reject(limit.result, limit.source, limit.reason))
        wire.socket.close()
