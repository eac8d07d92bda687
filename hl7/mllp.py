"""The MLLP door: one port, a thread for each connection, many messages on each."""

import logging
import socket
import time
from threading import Event as Flag
from threading import Lock, Thread, current_thread
from typing import Generic

from hl7.connection import Reception
from hl7.rules import Caller, Feed, Rules
from hl7.wire import LINGER, Wire

BACKLOG = 128
PAUSE = 0.1  # seconds to wait when the system has no descriptor left for a connection

log = logging.getLogger(__name__)


class Door(Generic[Feed]):
    """Listens for connections from `start` to `stop`. Port 0 takes a free one, see `port`."""

    def __init__(self, host: str, port: int, rules: Rules[Feed]) -> None:
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
        self._acceptor = Thread(target=self._accept, args=(listener,), name="mllp-door")
        self._acceptor.daemon = True
        self._acceptor.start()

    def stop(self, grace: float) -> None:
        """Stop listening, end idle connections now and the others after their message.

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
            self._admit(connection, Caller(address[0], address[1], self.port))

    def _admit(self, connection: socket.socket, caller: Caller) -> None:
        try:
            wire = Wire(connection)
        except OSError:  # reset while it waited
            connection.close()
            return
        thread = Thread(target=self._serve, args=(wire, caller), name=f"mllp-{caller.port}")
        thread.daemon = True
        with self._lock:
            full = len(self._wires) >= self._limit
            if not full:
                self._wires[thread] = wire
        if full:
            self.turned_away += 1
            log.warning("A connection beyond the limit of %d was closed", self._limit)
            connection.close()
            return
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._leave(thread)
            connection.close()

    def _serve(self, wire: Wire, caller: Caller) -> None:
        try:
            self._reception.meet(wire, caller)
        finally:
            self._leave(current_thread())

    def _leave(self, thread: Thread) -> None:
        with self._lock:
            del self._wires[thread]
