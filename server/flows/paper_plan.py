"""What the documents of a study are to become in FHIR, computed from its facts alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dicom.document_read import ENCAPSULATED
from dicom.facts import Code, InstanceFacts, Request
from fhir import binary, document_reference, identifiers, paper_report, service_request
from fhir import sr_observation as results
from fhir.papers import PaperView, status
from fhir.service_request import OrderView
from server.flows.names import (
    accession_key,
    instance_name,
    natural_name,
    order_name,
    report_names,
    request_keys,
)
from server.flows.patients import Site
from server.flows.seeing import Snapshot
from server.store.install import derived_id
from server.store.links import STUDY, Key

Json = dict[str, Any]
_MEASUREMENTS = "126000"
_KNOWN_NUMBERS = ("unissued", "unidentified")


@dataclass(frozen=True, slots=True)
class Paper:
    """A resource that one document makes. `report` is the source of the report it belongs to.

    `enclosed` is, for a Binary, the instance that holds its bytes.
    """

    body: Json
    source: str
    report: str = ""
    enclosed: InstanceFacts | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One report in all its versions, named by `source`.

    `own` is the id that it has unless a message tells of the same report, `spare` the one if that
    is taken; `uids` are the SOP instances of its versions.
    """

    body: Json
    source: str
    own: str
    spare: str
    uids: tuple[str, ...]
    names: tuple[Key, ...]
    keys: frozenset[Key]
    papers: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class Requested:
    """An order that images tell of."""

    body: Json
    keys: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is made of a study."""

    groups: tuple[Group, ...] = ()
    papers: tuple[Paper, ...] = ()
    requests: tuple[Requested, ...] = ()


def plan(site: Site, seen: Snapshot, study: Json) -> Plan:
    """Compute what a study's documents become; `study` is its ImagingStudy."""
    return _Planner(site, seen, study).plan()


@dataclass(slots=True)
class _Versions:
    """Documents that are one report. `root` names it, `first` is the one that counts."""

    root: str
    papers: list[InstanceFacts]
    names: list[Key] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Planner:
    site: Site
    seen: Snapshot
    study: Json

    @property
    def mapping(self) -> identifiers.Site:
        return self.seen.mapping(self.site)

    def plan(self) -> Plan:
        documents = [one for one in self.seen.instances if _is_document(one)]
        reports = [one for one in documents if _is_report(one)]
        versions = list(_versions(reports, {one.uid: self._names(one) for one in reports}))
        return Plan(
            groups=tuple(self._group(one) for one in versions),
            papers=tuple(self._papers(documents, versions)),
            requests=tuple(self._requested()) if not self.seen.row.held else (),
        )

    def id(self, type_: str, natural: str) -> str:
        """The id of what is known by a name within this study."""
        key = f"{self.seen.key.organisation}|{self.seen.row.id}|{natural}"
        return derived_id(self.site.key, type_, key)

    def named_id(self, type_: str, natural: str) -> str:
        """The id that a message would give, where the patient's number is known to be good."""
        if self.seen.record.kind in _KNOWN_NUMBERS or self.seen.row.held:
            return self.id(type_, natural)
        return derived_id(self.site.key, type_, f"{self.seen.key.organisation}|{natural}")

    def view(self, id_: str, **more: Any) -> PaperView:
        """What all resources of this study refer to."""
        return PaperView(
            id=id_,
            subject=f"Patient/{self.seen.row.subject}",
            study=f"ImagingStudy/{self.seen.row.id}",
            started=self.study.get("started", ""),
            description=self.study.get("description", ""),
            orders=tuple(order.reference for order in self.seen.orders),
            **more,
        )

    def _binary(self, paper: InstanceFacts) -> str:
        return self.id("Binary", paper.uid)

    def _documents(self, papers: Iterable[InstanceFacts]) -> dict[str, str]:
        return {x.uid: f"Binary/{self._binary(x)}" for x in papers if x.document.enclosed.length}

    def _group(self, versions: _Versions) -> Group:
        spare = self.id("DiagnosticReport", versions.root)
        own = spare
        if versions.names:
            own = self.named_id("DiagnosticReport", natural_name(versions.names[0]))
        first = versions.papers[0]
        found = [self._observation(first, one).body["id"] for one in self._results(first)]
        view = self.view(
            spare,
            documents=self._documents(versions.papers),
            results=tuple(f"Observation/{id_}" for id_ in found),
        )
        instances = [instance_name(uid) for uid in _names_of(versions.papers)]
        return Group(
            body=paper_report.build(versions.papers, view, self.mapping),
            source=versions.root,
            own=own,
            spare=spare,
            uids=tuple(one.uid for one in versions.papers),
            names=(*instances, *versions.names),
            keys=frozenset(self._keys(first)),
            papers=tuple(
                self._enclosed(one, versions.root)
                for one in versions.papers
                if one.document.enclosed.length
            ),
        )

    def _enclosed(self, paper: InstanceFacts, report: str = "") -> Paper:
        """The Binary of an encapsulated document."""
        body = binary.build(
            id=self._binary(paper),
            content_type=paper.document.enclosed.media_type,
            about=f"Patient/{self.seen.row.subject}",
        )
        return Paper(body, paper.uid, report, paper)

    def _papers(self, documents: list[InstanceFacts], versions: list[_Versions]) -> Iterator[Paper]:
        """Results of each report that counts, dose, and documents that are no reports."""
        for one in versions:
            first = one.papers[0]
            yield from (self._observation(first, x, one.root) for x in self._results(first))
        for paper in documents:
            if results.is_dose(paper):
                yield from (self._observation(paper, x) for x in self._results(paper))
            elif not _is_report(paper):
                yield self._enclosed(paper)
                id_ = self.id("DocumentReference", paper.uid)
                view = self.view(id_, documents=self._documents([paper]))
                yield Paper(document_reference.build(paper, view, self.mapping), paper.uid)

    def _results(self, paper: InstanceFacts) -> list[results.Found]:
        make = results.dose if results.is_dose(paper) else results.measurements
        return make(paper, self.view(""), self.mapping)

    def _observation(self, paper: InstanceFacts, one: results.Found, report: str = "") -> Paper:
        def id_(key: str) -> str:
            return self.id("Observation", f"{paper.uid}|{key}")

        members = [{"reference": f"Observation/{id_(key)}"} for key in one.members]
        body = one.body | {"id": id_(one.key)} | ({"hasMember": members} if members else {})
        return Paper(body, paper.uid, report)

    def _names(self, paper: InstanceFacts) -> list[Key]:
        """The names of a report by the order that it answers."""
        asked = next((one for one in self._asked([paper])), None)
        codes = (*(asked.procedure if asked else ()), *paper.study.procedures, Code())
        keys = request_keys(asked, self.mapping) if asked else set()
        if not any(key.kind == "accession" for key in keys):
            keys |= accession_key(paper.study.accession, self.mapping)
        return report_names(keys, codes[0].value)

    def _keys(self, paper: InstanceFacts) -> Iterator[Key]:
        """By what a report is joined with its studies and orders."""
        yield Key(STUDY, self.seen.key.uid)
        yield from (Key(STUDY, uid) for uid in paper.document.evidence)
        yield from accession_key(paper.study.accession, self.mapping)
        for request in self._asked([paper]):
            yield from request_keys(request, self.mapping)

    def _asked(self, instances: Iterable[InstanceFacts]) -> Iterator[Request]:
        """The requests for this study that have a number."""
        for one in instances:
            for request in one.requests:
                numbers = (request.placer, request.filler, request.accession)
                mine = request.study in ("", self.seen.key.uid)
                if mine and any(number.value.strip() for number in numbers):
                    yield request

    def _requested(self) -> Iterator[Requested]:
        """The orders that images tell of, each once, with all that is said of it."""
        told: dict[str, list[Request]] = {}
        for request in sorted(dict.fromkeys(self._asked(self.seen.instances)), key=repr):
            told.setdefault(order_name(request_keys(request, self.mapping)), []).append(request)
        keys = {
            name: frozenset(key for one in some for key in request_keys(one, self.mapping))
            for name, some in told.items()
        }
        for name, some in sorted(told.items()):
            if not any(keys[name] < keys[other] for other in keys):
                yield self._order(name, some, keys[name])

    def _order(self, name: str, requests: list[Request], keys: frozenset[Key]) -> Requested:
        view = OrderView(
            id=self.named_id("ServiceRequest", name),
            status="completed",
            subject=f"Patient/{self.seen.row.subject}",
        )
        body: Json | None = None
        for request in requests:
            body = service_request.of_request(body, request, view, self.mapping, {})
        return Requested(body or {}, keys | {Key(STUDY, self.seen.key.uid)})


def _is_document(one: InstanceFacts) -> bool:
    return bool(one.document.items or one.document.enclosed.length)


def _is_report(one: InstanceFacts) -> bool:
    """Whether a document is a report: structured and no dose, or it says if it is verified."""
    if one.sop_class.startswith(ENCAPSULATED):
        return bool(one.document.verification)
    return not results.is_dose(one)


def _names_of(papers: Iterable[InstanceFacts]) -> list[str]:
    """The SOP instances that are this report, earlier ones that are not here too."""
    found = [uid for one in papers for uid in (one.uid, *one.document.predecessors)]
    return list(dict.fromkeys(found))


def _versions(reports: list[InstanceFacts], names: Mapping[str, list[Key]]) -> Iterator[_Versions]:
    """Reports in their versions: by predecessors, and by equal name and title.

    Of several reports with one name only one has it: a narrative before measurements.
    """
    sets = [set(_names_of([one])) for one in reports]
    titles = [
        {one.uid for one in reports if _same(one, other, names)}
        for other in reports
        if names[other.uid]
    ]
    taken: set[Key] = set()
    by_uid = {one.uid: one for one in reports}
    made = []
    for uids in _merged([*sets, *titles]):
        present = [by_uid[uid] for uid in sorted(uids) if uid in by_uid]
        older = {uid for one in present for uid in one.document.predecessors}
        present.sort(key=lambda one: _counts(one, older), reverse=True)
        roots = [uid for uid in uids if uid not in by_uid or not by_uid[uid].document.predecessors]
        made.append(_Versions(min(roots or uids), present, names[present[0].uid]))
    for one in sorted(made, key=_precedence):
        if taken & set(one.names):
            one.names = []
        taken |= set(one.names)
        yield one


def _same(one: InstanceFacts, other: InstanceFacts, names: Mapping[str, list[Key]]) -> bool:
    same_title = one.document.title.value == other.document.title.value
    same_kind = one.sop_class.startswith(ENCAPSULATED) == other.sop_class.startswith(ENCAPSULATED)
    return same_title and same_kind and names[one.uid][:1] == names[other.uid][:1]


def _merged(sets: list[set[str]]) -> list[set[str]]:
    """Sets that have a member in common become one."""
    merged: list[set[str]] = []
    for one in sets:
        apart = [other for other in merged if not other & one]
        joined = set(one).union(*(other for other in merged if other & one))
        merged = [*apart, joined]
    return merged


def _counts(one: InstanceFacts, older: set[str]) -> tuple[bool, int, str, str, str]:
    """By what one version counts more than another."""
    rank = paper_report.RANK[status(one)]
    return one.uid not in older, rank, one.content_date, one.content_time, one.uid


def _precedence(one: _Versions) -> tuple[bool, str]:
    return one.papers[0].document.title.value == _MEASUREMENTS, one.root
