"""Writes what a study's documents become, beside what messages say, and takes back what is gone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from fhir import binary, wire
from fhir.identifiers import distinct, in_order
from server.flows import contents, layers, provenances, release, withdrawing
from server.flows.joining import ORDER, REPORT
from server.flows.paper_plan import Group, Paper, Requested
from server.flows.patients import Site
from server.flows.release import WITHDRAWN
from server.flows.seeing import Snapshot
from server.store import contents as store_contents
from server.store import derived, identities, links, resources
from server.store.links import ACCESSION, FILLER, PLACER, Key
from server.store.messages import Effect
from server.store.resources import Change, Owner

Json = dict[str, Any]


@dataclass(slots=True)
class Writer:
    """The steps of one run. `rows` are the instances that enclose documents, by SOP Instance UID.

    `done` is what was written, `reports` the status of each report by its source, `changed` what
    has changed since it was last told in a Provenance, by whether it is held back, `held` the
    sources of reports that are not for patients.
    """

    site: Site
    seen: Snapshot
    rows: dict[str, Any]
    done: set[tuple[str, str, str]] = field(default_factory=set)
    reports: dict[str, str] = field(default_factory=dict)
    changed: dict[Owner, list[Effect]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    @property
    def organisation(self) -> int:
        return self.seen.key.organisation

    def write(self, connection: Connection, one: Group | Paper | Requested, change: Change) -> None:
        """Write one thing of the plan."""
        match one:
            case Group():
                self._report(connection, one, change)
            case Paper():
                self._paper(connection, one, change)
            case Requested():
                self._order(connection, one, change)

    def explain(
        self, connection: Connection, step: Iterable[Group | Paper | Requested], change: Change
    ) -> None:
        """Tell in a Provenance what a step has changed and by which objects; nothing if nothing."""
        uids = tuple(dict.fromkeys(uid for one in step for uid in self._objects(one)))
        known = {one.uid: one.series.institution for one in self.seen.instances}
        made_by = {known[uid] for uid in uids if uid in known} or {*known.values()}
        sources = next(iter(sorted(made_by - {""})), ""), uids
        for owner, effects in self.changed.items():
            provenances.of_objects(connection, self.site, owner, effects, sources, change)
        self.changed.clear()

    def _objects(self, one: Group | Paper | Requested) -> tuple[str, ...]:
        """The UIDs of what something is made of: objects, or the study whose images name it."""
        match one:
            case Group():
                return one.uids
            case Paper():
                return (one.source,)
            case Requested():
                return (self.seen.key.uid,)

    def end(self, connection: Connection, change: Change) -> None:
        """Take back what was made before and is not made now."""
        moved = {(type_, source) for type_, _, source in self.done}
        for row in derived.of_study(connection, self.organisation, self.seen.row.id):
            if (row.type, row.id, row.source) not in self.done:
                self._undo(connection, row, (row.type, row.source) in moved, change)

    # Reports

    def _report(self, connection: Connection, group: Group, change: Change) -> None:
        id_ = self._find(connection, group)
        derived.forget(connection, self.organisation, REPORT, id_, derived.GONE)
        for uid in group.uids:
            if uid != group.source:
                derived.forget(connection, self.organisation, REPORT, id_, uid)
        body = layers.add_document(
            connection, self.organisation, group.source, self.seen.row.id, group.body | {"id": id_}
        )
        row = resources.current(connection, self.organisation, REPORT, id_)
        told = row is not None and layers.is_told(connection, self.organisation, REPORT, id_)
        filed_under = row.filed_under if told else self.seen.row.filed_under
        self._put(connection, body, change, filed_under=filed_under)
        self.done.add((REPORT, id_, group.source))
        self.reports[group.source] = body["status"]
        if release.is_held(body):
            self.held.add(group.source)
        if not self.seen.row.held:
            keys = {*group.keys, *group.names}
            links.keep(connection, self.organisation, REPORT, id_, keys)
        for paper in group.papers:
            self._paper(connection, paper, change)

    def _find(self, connection: Connection, group: Group) -> str:
        """The report that messages tell of under one of these names, else the group's own."""
        if self.seen.row.held:
            return group.spare
        for name in group.names:
            found = [
                id_
                for type_, id_ in links.sharing(connection, self.organisation, name)
                if type_ == REPORT
                and layers.is_told(connection, self.organisation, REPORT, id_)
                and self._is_mine(connection, REPORT, id_)
            ]
            if len(found) == 1:
                return found[0]
        row = resources.current(connection, self.organisation, REPORT, group.own)
        free = row is None or row.deleted or self._is_mine(connection, REPORT, group.own)
        return group.own if free else group.spare

    def _is_mine(self, connection: Connection, type_: str, id_: str) -> bool:
        """Whether a resource is of the patient of this study."""
        row = resources.current(connection, self.organisation, type_, id_)
        if row is None or row.deleted:
            return False
        owner = identities.heir(connection, self.organisation, row.filed_under)
        return owner == identities.heir(connection, self.organisation, self.seen.row.filed_under)

    # Documents and results

    def _paper(self, connection: Connection, paper: Paper, change: Change) -> None:
        body, status = paper.body, self.reports.get(paper.report, "")
        if paper.enclosed is not None:
            place = paper.enclosed.document.enclosed
            row = contents.enclosed(self.rows[paper.source], place.offset, place.length, change.now)
            store_contents.keep(connection, self.organisation, body["id"], row)
        if status == WITHDRAWN and body["resourceType"] == "Binary":
            body = binary.withdrawn(body)
        self._keep(connection, body, paper.source)
        if status == WITHDRAWN and body["resourceType"] == "Observation":
            withdrawing.withdraw(connection, self.organisation, "Observation", body["id"], change)
            return
        self._put(connection, body, change, hidden=paper.report in self.held)

    # Orders

    def _order(self, connection: Connection, one: Requested, change: Change) -> None:
        """Write an order, unless messages told of it, or of another patient's of that number."""
        id_, mine = one.body["id"], f"study {self.seen.row.id}"
        present = resources.current(connection, self.organisation, ORDER, id_)
        taken = present is not None and not present.deleted
        if taken and (self._is_told(connection, id_) or not self._is_mine(connection, ORDER, id_)):
            return
        if any(self._is_told(connection, other) for other in self._named(connection, one.keys)):
            return
        self._keep(connection, one.body, mine, text=wire.write(one.body))
        self._put(connection, self._order_of(connection, id_), change)
        links.keep(connection, self.organisation, ORDER, id_, one.keys)

    def _named(self, connection: Connection, keys: Iterable[Key]) -> list[str]:
        """The orders that have one of the numbers."""
        return [
            id_
            for key in keys
            if key.kind in (FILLER, PLACER, ACCESSION)
            for type_, id_ in links.sharing(connection, self.organisation, key)
            if type_ == ORDER
        ]

    def _is_told(self, connection: Connection, id_: str) -> bool:
        return layers.is_told(connection, self.organisation, ORDER, id_)

    def _order_of(self, connection: Connection, id_: str) -> Json:
        """An order as all studies that name it tell it."""
        rows = derived.of(connection, self.organisation, ORDER, id_)
        told = [wire.read(row.text) for row in rows]
        numbers = [number for one in told for number in one.get("identifier", [])]
        return told[0] | {"identifier": in_order(distinct(numbers))}

    # All of them

    def _keep(self, connection: Connection, body: Json, source: str, text: str = "") -> None:
        type_, id_, study = body["resourceType"], body["id"], self.seen.row.id
        derived.keep(connection, self.organisation, type_, id_, source, study=study, text=text)
        self.done.add((type_, id_, source))

    def _put(
        self,
        connection: Connection,
        body: Json,
        change: Change,
        *,
        filed_under: str = "",
        hidden: bool = False,
    ) -> None:
        held = self.seen.row.held or hidden or release.is_held(body)
        owner = Owner(self.organisation, filed_under or self.seen.row.filed_under, held)
        before = resources.current(connection, self.organisation, body["resourceType"], body["id"])
        version = resources.put(connection, owner, body, change)
        if body["resourceType"] != "Binary" and (before is None or version != before.version):
            effect = Effect(body["resourceType"], body["id"], version, change.reason)
            self.changed.setdefault(owner, []).append(effect)

    def _undo(self, connection: Connection, row: Any, moved: bool, change: Change) -> None:
        """What is not made any more: made of the rest, deleted if it moved, else withdrawn."""
        derived.forget(connection, self.organisation, row.type, row.id, row.source)
        present = resources.current(connection, self.organisation, row.type, row.id)
        if present is None or present.deleted:
            return
        owner = Owner(self.organisation, present.filed_under, present.hidden)
        if derived.of(connection, self.organisation, row.type, row.id):
            self._made_of_the_rest(connection, wire.read(present.text), owner, change)
        elif row.type == ORDER or moved:
            resources.withdraw(connection, owner, wire.read(present.text), change)
            links.forget(connection, self.organisation, row.type, row.id)
        else:
            withdrawing.withdraw(connection, self.organisation, row.type, row.id, change)
            if row.type == REPORT:
                derived.keep(
                    connection, self.organisation, REPORT, row.id, derived.GONE, text=row.text
                )

    def _made_of_the_rest(
        self, connection: Connection, present: Json, owner: Owner, change: Change
    ) -> None:
        id_, held = present["id"], owner.hidden
        if present["resourceType"] == ORDER:
            body = self._order_of(connection, id_)
        else:
            subject = present["subject"]
            body = layers.whole(connection, self.organisation, id_, subject) or present
            held = release.is_held(body)
        owner = Owner(owner.organisation, owner.filed_under, held)
        resources.put(connection, owner, body, change)
