"""A DiagnosticReport tells a report whole: words, signed layout, conclusion (mapping 2.4 to 2.6)."""

import base64
import hashlib

import pytest

from fhir.diagnostic_report import ALONE, held, identifiers, linked, restated
from fhir.report_text import text_in
from tests.support.hl7_builder import PID, obr, obx
from tests.support.hl7_fhir import Json, context, report_of, reports
from tests.support.outside import complaints

HEAD = obr(
    f2="P1^HIS",
    f3="F1^RIS",
    f4="71250^CT chest^C4",
    f7="20260905101200",
    f18="A1",
    f22="20260905120000",
    f24="CT",
    f25="F",
    f32="2002&Reader&Rachel&&&DR&&&HOSP",
    f33="2003&Second&Sam",
    f34="2004&Tech&Tom",
    f35="2005&Typist&Tina",
    f44="24627-2^CT Chest^LN",
)
FINDINGS = obx("TX", "&GDT^Findings", "Nodule < 6 mm & <b>round</b>.~~No effusion.")
IMPRESSION = obx("FT", "&IMP^Impression", r"Benign.\.br\Control in 12 months.")
SCALE = obx("CWE", "LRADS^Lung-RADS^99L", "LR2^Lung-RADS 2^99R")
PDF = b"%PDF-1.7 signed"
ATTACHED = obx(
    "ED", "PDF^Signed report^L", f"^Application^PDF^Base64^{base64.b64encode(PDF).decode()}"
)
FINAL = (PID, HEAD, FINDINGS, IMPRESSION, SCALE)


def codes(concept: Json) -> list[str]:
    return [coding["code"] for coding in concept["coding"]]


def test_a_report_has_its_words_and_who_stands_for_them() -> None:
    made = report_of(reports(*FINAL))
    assert complaints(made) == []
    assert made["status"] == "final"
    assert [one["value"] for one in made["identifier"]] == ["P1", "F1", "A1"]
    assert [codes(one)[0] for one in made["category"]] == ["CT", "RAD", "LP29684-5"]
    assert codes(made["code"]) == ["71250", "24627-2", "18748-4"]
    assert made["code"]["text"] == "CT chest"
    assert made["effectiveDateTime"] == "2026-09-05T10:12:00+02:00"
    assert made["issued"] == "2026-09-05T12:00:00+02:00"
    assert made["resultsInterpreter"][0]["identifier"]["value"] == "2002"
    assert [one["display"] for one in made["resultsInterpreter"]] == [
        "DR Rachel Reader",
        "Sam Second",
    ]
    functions = [
        one["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
        for one in made["performer"]
    ]
    assert functions == ["SPRF", "TRANS"]


def test_the_conclusion_is_the_impression_and_never_a_finding() -> None:
    made = report_of(reports(*FINAL))
    assert made["conclusion"] == "Benign.\nControl in 12 months."
    assert codes(made["conclusionCode"][0]) == ["LR2"]
    assert "conclusion" not in report_of(reports(PID, HEAD, FINDINGS))


def test_markup_in_a_report_is_text_and_nothing_else() -> None:
    div = report_of(reports(*FINAL))["text"]["div"]
    assert "<h3>Findings</h3><p>Nodule &lt; 6 mm &amp; &lt;b&gt;round&lt;/b&gt;.<br/>" in div


def test_the_whole_text_is_there_as_plain_text() -> None:
    made = report_of(reports(*FINAL))
    (form,) = made["presentedForm"]
    text = base64.b64decode(form["data"])
    assert text.decode() == (
        "Findings\nNodule < 6 mm & <b>round</b>.\n\nNo effusion.\n\n"
        "Impression\nBenign.\nControl in 12 months.\n\nLung-RADS: Lung-RADS 2"
    )
    assert form["size"] == len(text)
    assert form["hash"] == base64.b64encode(hashlib.sha1(text).digest()).decode()  # noqa: S324


def test_the_signed_layout_comes_first() -> None:
    made = report_of(reports(*FINAL, ATTACHED))
    pdf, plain = made["presentedForm"]
    assert pdf == {
        "contentType": "application/pdf",
        "url": "Binary/b1",
        "size": len(PDF),
        "hash": base64.b64encode(hashlib.sha1(PDF).digest()).decode(),  # noqa: S324
        "title": "Signed report",
    }
    assert plain["contentType"].startswith("text/plain")
    assert complaints(made) == []


def test_a_pointer_is_shown_only_if_its_host_is_trusted() -> None:
    sent = reports(PID, HEAD, obx("RP", "URL^Viewer^L", "https://viewer.example/1"))
    assert "presentedForm" not in report_of(sent)
    made = report_of(sent, hosts=frozenset({"viewer.example"}))
    assert made["presentedForm"] == [{"url": "https://viewer.example/1", "title": "Viewer"}]
    odd = reports(PID, HEAD, obx("RP", "URL", "javascript://viewer.example/1"))
    assert "presentedForm" not in report_of(odd, hosts=frozenset({"viewer.example"}))


def test_a_report_that_is_sent_again_changes_nothing() -> None:
    first = report_of(reports(*FINAL, ATTACHED))
    assert report_of(reports(*FINAL, ATTACHED), first) == first


def test_an_addendum_alone_is_added_with_its_date_once() -> None:
    first = report_of(reports(*FINAL, ATTACHED))
    later = HEAD.replace("20260905120000", "20260906090000")
    addendum = reports(PID, later, obx("TX", "&ADT^Addendum", "Second reading agrees."))
    after = report_of(addendum, first)
    assert after["status"] == "appended"
    assert text_in(after).startswith(text_in(first))
    assert text_in(after).endswith("Addendum (2026-09-06T09:00:00+02:00)\nSecond reading agrees.")
    assert after["text"]["div"].startswith(first["text"]["div"].removesuffix("</div>"))
    assert after["conclusion"] == first["conclusion"]
    assert after["presentedForm"][0] == first["presentedForm"][0]
    assert complaints(after) == []
    assert report_of(addendum, after) == after


def test_an_addendum_that_came_first_is_not_lost_when_its_report_comes() -> None:
    later = HEAD.replace("20260905120000", "20260906090000")
    alone = report_of(reports(PID, later, obx("TX", "&ADT^Addendum", "Second reading agrees.")))
    assert alone["status"] == "partial"
    assert alone["meta"]["tag"] == [ALONE]
    assert held(alone).alone
    after = report_of(reports(*FINAL), alone)
    assert after["status"] == "appended"
    assert "tag" not in after["meta"]
    assert text_in(after).startswith("Findings")
    assert text_in(after).endswith("Second reading agrees.")
    assert "Second reading agrees." in after["text"]["div"]


def test_an_addendum_to_a_signed_layout_keeps_it() -> None:
    first = report_of(reports(PID, HEAD, ATTACHED))
    after = report_of(reports(PID, HEAD, obx("TX", "&ADT^Addendum", "Agreed.")), first)
    assert after["status"] == "appended"
    assert after["presentedForm"][0] == first["presentedForm"][0]
    assert "Agreed." in text_in(after)


def test_a_correction_without_a_layout_drops_the_old_one_from_sight() -> None:
    first = report_of(reports(*FINAL, ATTACHED))
    corrected = reports(PID, HEAD.replace("|F|", "|C|"), obx("TX", "&GDT^Findings", "No nodule."))
    after = report_of(corrected, first)
    assert after["status"] == "corrected"
    assert [form["contentType"] for form in after["presentedForm"]] == ["text/plain; charset=UTF-8"]


def test_a_layout_that_follows_its_text_is_put_before_it() -> None:
    first = report_of(reports(*FINAL))
    after = report_of(reports(PID, HEAD, ATTACHED), first)
    assert after["status"] == "final"
    assert [form["contentType"] for form in after["presentedForm"]] == [
        "application/pdf",
        "text/plain; charset=UTF-8",
    ]
    assert after["conclusion"] == first["conclusion"]
    correction = report_of(reports(PID, HEAD.replace("|F|", "|C|"), ATTACHED), first)
    assert [form["contentType"] for form in correction["presentedForm"]] == ["application/pdf"]


def test_a_message_without_content_keeps_what_was_told() -> None:
    first = report_of(reports(*FINAL))
    uid = obx("ST", "113014^Study^DCM", "1.2.3")
    after = report_of(reports(PID, obr(f3="F1^RIS", f25="F"), uid), first)
    for name in ("text", "conclusion", "presentedForm", "code", "category", "issued"):
        assert after[name] == first[name]


def test_corrected_but_not_final_is_preliminary_with_its_code_beside_it() -> None:
    made = report_of(reports(PID, HEAD.replace("|F|", "|M|"), FINDINGS))
    assert made["status"] == "preliminary"
    assert made["extension"][0]["valueCoding"]["code"] == "M"
    assert "extension" not in report_of(reports(*FINAL), made)


def test_when_the_pictures_were_made_is_told_or_said_to_be_unknown() -> None:
    made = report_of(reports(PID, obr(f3="F1", f7="202609051000", f8="202609051030", f25="F")))
    assert made["effectivePeriod"]["end"] == "2026-09-05T10:30:00+02:00"
    unknown = report_of(reports(PID, obr(f3="F1", f25="F")))
    assert unknown["_effectiveDateTime"]["extension"][0]["valueCode"] == "unknown"
    assert complaints(unknown) == []
    known = report_of(reports(PID, obr(f3="F1", f7="20260905", f25="F")), unknown)
    assert known["effectiveDateTime"] == "2026-09-05"
    assert "_effectiveDateTime" not in known
    assert "effective" not in str(report_of(reports(PID, obr(f3="F1", f25="S"))))


def test_a_time_without_a_zone_is_no_instant() -> None:
    assert "issued" not in report_of(reports(PID, obr(f3="F1", f22="20260905", f25="F")))


def test_a_laboratory_report_is_not_called_radiology() -> None:
    made = report_of(reports(PID, obr(f3="F1", f4="X^Blood^L", f24="LAB", f25="F")))
    assert [codes(one) for one in made["category"]] == [["LAB"]]
    assert codes(made["code"]) == ["X"]


def test_privacy_flags_restrict_the_report() -> None:
    flag = obx("ST", "MASQUE_PS^Masked^MetaDMPMSS", "Y")
    made = report_of(reports(*FINAL, flag))
    assert [label["code"] for label in made["meta"]["security"]] == ["R", "MASQUE_PS"]
    assert report_of(reports(*FINAL), made)["meta"]["security"] == made["meta"]["security"]


def test_notes_of_the_report_are_part_of_its_text() -> None:
    made = report_of(reports(PID, HEAD, "NTE|1||Called the ward.", FINDINGS))
    assert text_in(made).endswith("Note\nCalled the ward.")


def test_a_language_is_told_with_the_text() -> None:
    message = reports(*FINAL)
    assert "language" not in report_of(message)


def test_links_are_added_when_they_are_found() -> None:
    first = report_of(reports(*FINAL))
    after = linked(first, orders=["ServiceRequest/s1"], studies=["ImagingStudy/i1"])
    assert after["basedOn"] == [{"reference": "ServiceRequest/s1"}]
    assert linked(after, studies=["ImagingStudy/i1"]) == after
    again = report_of(reports(*FINAL), after)
    assert again["imagingStudy"] == [{"reference": "ImagingStudy/i1"}]
    assert complaints(again) == []


def test_a_withdrawn_report_keeps_its_content_for_those_who_audit() -> None:
    first = report_of(reports(*FINAL))
    assert restated(first, "entered-in-error") == first | {"status": "entered-in-error"}


def test_a_report_is_also_known_by_the_document_in_the_archive() -> None:
    uid = obx("ST", "SR Instance UID", "1.2.3.4")
    message = reports(*FINAL, uid)
    (report,) = message.patients[0].reports
    assert identifiers(report, context(message))[-1] == {
        "system": "urn:dicom:uid",
        "value": "urn:oid:1.2.3.4",
    }


@pytest.mark.parametrize("noise", ["\x01", "\ufffe", "\uffff"])
def test_a_character_that_no_narrative_may_hold_is_left_out(noise: str) -> None:
    made = report_of(reports(PID, HEAD, obx("TX", "&GDT", f"Fine{noise} today")))
    assert complaints(made) == []
    assert "Fine today" in made["text"]["div"]
