"""Sending everything back to a PACS by C-STORE, as it is stored: what a peer that lost its own needs.

The peer gets what it may see, through the gate, each study in the audit. How far it came is kept after
each study: whoever begins again goes on there.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import func, select

from dicom.archive import Destination, Held
from dicom.command import OUT_OF_RESOURCES
from dicom.errors import Refused
from dicom.outgoing import Outgoing
from dicom.sink import Peer
from server.errors import Busy, Denied, Missing
from server.flows import archive, pixels, reach
from server.flows.access import Grant
from server.flows.pixels import Selection
from server.flows.sites import House
from server.store import index, install, people
from server.store.index import StudyKey
from server.store.tables import study

# Statuses that mean taken: success and warnings (PS3.4 B.2.3).
_TAKEN = (0x0, 0xB)
_UNTAKEN = "the peer takes not this kind of object in the syntax in which it is stored"
_MOST_REFUSALS = 1000
_PAGE = 200


@dataclass(slots=True)
class Progress:
    """How far a restore has come; `after` is the last study that was done.

    `withheld` counts studies that the peer may not have. `refusals` names the first thousand.
    """

    after: str = ""
    studies: int = 0
    sent: int = 0
    bytes: int = 0
    refused: int = 0
    withheld: int = 0
    refusals: list[dict[str, str]] = field(default_factory=list)


def _target(house: House, peer: Peer) -> Destination:
    try:
        return archive.PeerArchive(house).destination(peer, peer.name)
    except Refused as error:
        raise Missing(f"{peer.name}: {error}; `peer add` says where one is") from error


class Restore:
    """A restore to one peer; `run` sends study by study."""

    def __init__(self, house: House, title: str, organisation: str, *, again: bool) -> None:
        self._house = house
        with house.database.read() as connection:
            owner = people.organisation_id(connection, organisation)
            if owner is None:
                raise Missing(f"there is no organisation {organisation}")
            known = install.value(connection, f"restore {owner} {title}")
        self._state = f"restore {owner} {title}"
        peer = Peer(title, owner, frozenset())
        self._target = _target(house, peer)
        self._grant: Grant = archive.grant_of(peer, "")
        self.progress = Progress(**json.loads(known)) if known and not again else Progress()

    def left(self) -> int:
        """How many studies are still to be looked at."""
        query = select(func.count(study.c.uid.distinct())).where(*self._ahead())
        with self._house.database.read() as connection:
            return connection.execute(query).scalar() or 0

    def _ahead(self) -> tuple[Any, ...]:
        return study.c.organisation == self._grant.organisation, study.c.uid > self.progress.after

    def run(self) -> Iterator[Progress]:
        """Send every study that is ahead. Raises NotTaken and Busy: begun again, it goes on."""
        while uids := self._page():
            for uid in uids:
                self._study(uid)
                self.progress.after = uid
                self.progress.studies += 1
                self._keep(json.dumps(asdict(self.progress)))
                yield self.progress
        self._keep("")

    def _page(self) -> list[str]:
        query = select(study.c.uid).where(*self._ahead()).distinct()
        with self._house.database.read() as connection:
            return list(connection.execute(query.order_by(study.c.uid).limit(_PAGE)).scalars())

    def _keep(self, state: str) -> None:
        with self._house.database.write() as connection:
            install.keep(connection, self._state, state)

    def _study(self, uid: str) -> None:
        selections = self._selections(uid)
        self.progress.withheld += not selections
        for selection in selections:
            self._send(uid, selection)

    def _send(self, uid: str, selection: Selection) -> None:
        """Send one claim's objects in an association; what left is in the audit, however it ends."""
        kinds = {(row.sop_class, row.transfer_syntax) for row in selection.rows}
        before = self.progress.sent
        reading = pixels.reading(self._house, self._grant, selection)
        outgoing = Outgoing(self._target, self._house.config.ae_title, kinds)
        try:
            with outgoing:
                for row in selection.rows:
                    self._object(outgoing, uid, row)
        finally:
            self._house.auditor.left(self._grant.organisation, "dimse", outgoing.sent)
            reading.sent(outgoing.sent, self.progress.sent - before)
            reading.end()

    def _selections(self, uid: str) -> list[Selection]:
        """What the peer may have of a study, for each patient that claims it."""
        found = []
        with self._house.database.read() as connection:
            try:
                claims = list(reach.claims(connection, self._grant, uid))
            except (Missing, Denied):
                return []
            for claim in claims:
                key = StudyKey(self._grant.organisation, uid, claim.claim)
                rows = index.visible(connection, key, "", "")
                shown = reach.shown(connection, self._grant, claim, rows) if rows else ()
                found += [Selection(claim, shown)] if shown else []
        return found

    def _object(self, outgoing: Outgoing, uid: str, row: Any) -> None:
        """Send one object, byte for byte as its data set is stored."""
        way = (row.sop_class, row.transfer_syntax)
        if not outgoing.takes(way):
            self._refused(uid, row.uid, _UNTAKEN)
            return
        data = self._house.blobs.stream(row.blob, row.dataset_offset)
        held = Held(row.sop_class, row.uid, row.transfer_syntax, lambda _: data)
        status = outgoing.store(held, way, data)
        if status >> 8 == OUT_OF_RESOURCES >> 8:
            raise Busy("the peer has no room left: make some, and run `restore` again to go on")
        if status >> 12 not in _TAKEN:
            self._refused(uid, row.uid, f"0x{status:04X}")
            return
        self.progress.sent += 1
        self.progress.bytes += row.size - row.dataset_offset

    def _refused(self, uid: str, instance: str, why: str) -> None:
        self.progress.refused += 1
        if len(self.progress.refusals) < _MOST_REFUSALS:
            told = {"study": uid, "instance": instance, "why": why}
            self.progress.refusals.append(told)
