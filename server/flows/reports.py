"""Reports applied: one DiagnosticReport with versions for each, its orders, results and documents."""

from fhir import binary, diagnostic_report, report_status
from fhir.diagnostic_report import ReportView
from fhir.hl7_times import place_in_time
from fhir.report_status import Decision
from hl7.report_facts import PatientReports, ReportFacts, ReportMessage
from server.flows import (
    admissions,
    contents,
    encounters,
    layers,
    orders,
    papers,
    release,
    results,
)
from server.flows.joining import REPORT
from server.flows.names import instance_name, natural_name, report_names
from server.flows.orders import Whose
from server.flows.release import WITHDRAWN
from server.flows.withdrawing import documents_of
from server.flows.writing import Json, Work
from server.store import contents as store_contents
from server.store import identities, links, messages, resources
from server.store.install import derived_id
from server.store.links import Key


def apply(work: Work, facts: ReportMessage) -> None:
    """Apply ORU: every report of every patient, then what is joined by it."""
    for group in facts.patients:
        _apply_group(work, group)
    work.join()


def _apply_group(work: Work, group: PatientReports) -> None:
    if group.patient is None:
        return work.hold("message", str(work.message), {"rule": "the report has no patient"})
    patient = admissions.settle_patient(work, group.patient, authoritative=False)
    if not patient:
        return None
    encounter = encounters.of(work, patient, group.visit) if group.visit else ""
    whose = Whose(patient, encounter)
    for order in group.responses:
        orders.place(work, whose, order)
    for report in group.reports:
        _place(work, whose, report)
    return None


def _place(work: Work, whose: Whose, report: ReportFacts) -> None:
    """Write one report, unless it has to be decided by a person."""
    names = _names(work, report)
    found = _found(work, names)
    others = [id_ for id_ in sorted(found) if _owner(work, id_) != whose.patient]
    if others or len(found) > 1:
        rule = "the report of this number is another patient's" if others else "two reports"
        evidence: Json = {"rule": rule, "reports": sorted(found), "patient": whose.patient}
        work.hold("report", f"message {work.message}|{'|'.join(sorted(found))}", evidence)
        return
    status = report_status.STATUS.get(report.status, "registered")
    for order in report.orders:
        orders.place(work, whose, order, status)
    instances = [instance_name(uid) for uid in report.uids.instances]
    id_ = found.pop() if found else _new_id(work, whose, names, instances)
    if _owner(work, id_) not in ("", whose.patient):
        rule = "the report of this number is another patient's"
        evidence = {"rule": rule, "reports": [id_], "patient": whose.patient}
        work.hold("report", f"message {work.message}|{id_}", evidence)
        return
    if _said_before(work, id_):
        return
    _write(work, whose, report, id_)
    keys = {key for order in report.orders for key in orders.keys_of(order, work.context)}
    keys |= {Key(links.STUDY, uid) for uid in report.uids.studies} | {*names, *instances}
    work.keep_keys(REPORT, id_, keys)
    orders.note_studies(work, REPORT, id_, whose.patient, report.uids)
    papers.rouse(work.connection, work.organisation, REPORT, {*names, *instances}, work.now)


def _found(work: Work, names: list[Key]) -> set[str]:
    """The reports that messages told of and that have the first of these names."""
    return {
        id_
        for name in names[:1]
        for type_, id_ in links.sharing(work.connection, work.organisation, name)
        if type_ == REPORT and _is_told(work, id_)
    }


def _is_told(work: Work, id_: str) -> bool:
    return layers.is_told(work.connection, work.organisation, REPORT, id_)


def _names(work: Work, report: ReportFacts) -> list[Key]:
    """What names a report: filler number, accession with procedure code, or placer (mapping 2.7)."""
    main = report.orders[0]
    return report_names(orders.keys_of(main, work.context), report.code.code)


def _new_id(work: Work, whose: Whose, names: list[Key], instances: list[Key]) -> str:
    """The id of the one report of this patient that DICOM documents told of, else a new one."""
    for name in (*instances, *names):
        sharing = links.sharing(work.connection, work.organisation, name)
        found = [id_ for type_, id_ in sharing if type_ == REPORT and not _is_told(work, id_)]
        mine = [id_ for id_ in found if _owner(work, id_) == whose.patient]
        if len(mine) == 1:
            return mine[0]
    natural = natural_name(names[0]) if names else f"message {work.message}"
    return derived_id(work.site.key, REPORT, f"{work.organisation}|{natural}")


def _owner(work: Work, id_: str) -> str:
    row = resources.current(work.connection, work.organisation, REPORT, id_)
    return identities.heir(work.connection, work.organisation, row.filed_under) if row else ""


def _said_before(work: Work, id_: str) -> bool:
    """Whether this message has had its say about the report, and another one has since."""
    last = work.last_word(REPORT, id_)
    if last is None or last.message <= work.message:
        return False
    return messages.wrote(work.connection, work.organisation, work.message, REPORT, id_)


def _write(work: Work, whose: Whose, report: ReportFacts, id_: str) -> None:
    present = work.body(REPORT, id_)
    current = layers.of_messages(work.connection, work.organisation, id_)
    decision = _decide(work, current, report, id_)
    if decision.remark:
        evidence: Json = {"rule": decision.remark, "resources": [f"{REPORT}/{id_}"]}
        work.question("report", f"{REPORT}/{id_}|{work.message}", evidence)
    labels = tuple(diagnostic_report.labels(report))
    if decision.applies or current is None:
        held = decision.status == WITHDRAWN or release.holds(REPORT, decision.status, labels)
        told = results.Told(id_, decision.status, labels, held)
        view = ReportView(
            id=id_,
            status=decision.status,
            subject=f"Patient/{whose.patient}",
            encounter=whose.encounter,
            results=results.apply(work, whose, report, told),
            documents=tuple(_keep_documents(work, whose.patient, id_, report, held)),
            alone=decision.alone,
        )
        body = diagnostic_report.merge(current, report, view, work.context)
    else:
        results.mark(work, whose, id_, report)
        body = diagnostic_report.restated(current, decision.status)
    if present is not None and decision.status == WITHDRAWN:
        _withdraw_content(work, whose, present)
    body = layers.with_documents(work.connection, work.organisation, body)
    work.write(body, whose.patient, f"the report of {work.header.kind}")
    work.has_last_word(REPORT, id_)


def _withdraw_content(work: Work, whose: Whose, report: Json) -> None:
    """Take the content of a report that was wrong from patients: versions, results, documents."""
    resources.hide_versions(work.connection, work.organisation, REPORT, report["id"])
    for one in report.get("result", []):
        results.withdraw(work, whose, one["reference"])
    for id_ in documents_of(work.connection, work.organisation, report["id"]):
        body = work.body("Binary", id_)
        if body is not None:
            work.write(binary.withdrawn(body), whose.patient, "a document of a withdrawn report")


def _decide(work: Work, current: Json | None, report: ReportFacts, id_: str) -> Decision:
    """The next status, by what is held; times count between messages of one sender only."""
    zones, last = work.context.zones, work.last_word(REPORT, id_)
    mine = work.word()
    known = last.sent if last is not None and last.sender == mine.sender else None
    held = diagnostic_report.held(current, sent=known)
    issued = place_in_time(report.issued, zones)
    return report_status.next_status(held, report, issued=issued, sent=mine.sent)


def _keep_documents(
    work: Work, patient: str, report_id: str, report: ReportFacts, held: bool
) -> list[str]:
    """Keep the documents of a report; gives their addresses. Equal bytes are kept once.

    Documents of a report that is not released are `held`.
    """
    addresses = []
    for one in report.attachments:
        sha256 = contents.digest(one.data)
        id_ = derived_id(work.site.key, "Binary", f"{work.organisation}|{report_id}|{sha256}")
        place = contents.place(work.blobs[sha256], one.data, sha256, work.now)
        store_contents.keep(work.connection, work.organisation, id_, place)
        body = binary.build(id=id_, content_type=one.content_type, about=f"Patient/{patient}")
        work.write(body, patient, f"a document of {work.header.kind}", held=held)
        addresses.append(f"Binary/{id_}")
    return addresses
