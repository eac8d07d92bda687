"""An ImagingStudy tells what the stored instances say, and the same each time (mapping 1.3, 1.4)."""

import json
import random
from dataclasses import replace

import pytest

from dicom.facts import (
    Code,
    InstanceFacts,
    Issuer,
    Number,
    PatientFacts,
    Person,
    Request,
    SeriesFacts,
    StudyFacts,
)
from fhir.identifiers import Site
from fhir.imaging_study import ARRIVING, Order, StudyView, build, primary_modality
from tests.support.facts_reader import read_facts
from tests.support.samples import samples

SITE = Site(base="https://hospital.example/ids", zone="Europe/Paris")
CT = "1.2.840.10008.5.1.4.1.1.2"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def instance(n: int = 1, /, *, series: SeriesFacts | None = None, **study: object) -> InstanceFacts:
    series = series or SeriesFacts(uid="1.2.1", number="1", modality="CT")
    return InstanceFacts(
        uid=f"{series.uid}.{n}",
        sop_class=CT,
        transfer_syntax="1.2.840.10008.1.2.1",
        patient=PatientFacts(),
        study=replace(StudyFacts(uid="1.2"), **study),  # type: ignore[arg-type]
        series=series,
        number=str(n),
    )


def view(*instances: InstanceFacts, **more: object) -> StudyView:
    plain = StudyView(id="s1", uid="1.2", subject="Patient/p1", instances=instances)
    return replace(plain, **more)  # type: ignore[arg-type]


def test_the_mado_study_is_told_as_its_publishers_tell_it() -> None:
    folder = samples("dicom", "ct-series-mado-studyB")
    facts = [read_facts(path) for path in sorted(folder.glob("*/*"))]
    uid = "1.2.250.1.59.40211.22756022.2.1.102"
    mine = build(StudyView(id="b", uid=uid, subject="Patient/p", instances=facts), SITE)
    bundle = samples("fhir", "mado", f"mado-{uid}-bundle.json")
    resources = [entry["resource"] for entry in json.loads(bundle.read_text())["entry"]]
    theirs = next(one for one in resources if one["resourceType"] == "ImagingStudy")

    assert mine["started"] == theirs["started"] == "2022-08-22T08:31:17+02:00"
    assert mine["numberOfInstances"] == theirs["numberOfInstances"] == 21
    for key in ("status", "modality", "numberOfSeries", "description"):
        assert mine[key] == theirs[key]
    for ours, other in zip(mine["series"], theirs["series"], strict=True):
        for key in ("uid", "number", "modality", "description", "numberOfInstances", "bodySite"):
            assert ours.get(key) == other.get(key)
        assert ours.get("started") == other.get("started")
        assert {one["uid"] for one in ours["instance"]} == {one["uid"] for one in other["instance"]}
    assert mine["series"][0]["bodySite"]["code"] == "69536005"
    assert mine["series"][0]["started"] == "2022-08-22T16:47:58+02:00"
    assert mine["procedureCode"] == [{"text": "Contrôle qualité MN salle 1"}]
    accessions = {one["value"] for one in mine["identifier"][1:]}
    assert accessions == {"8529258169397744", "9426932401715315"}


def test_equal_facts_in_any_order_give_an_equal_resource() -> None:
    other = SeriesFacts(uid="1.2.2", modality="MR")
    instances = [instance(n) for n in range(1, 12)] + [instance(n, series=other) for n in (3, 1)]
    expected = json.dumps(build(view(*instances), SITE))
    for seed in range(5):
        random.Random(seed).shuffle(instances)
        assert json.dumps(build(view(*instances), SITE)) == expected


def test_series_and_instances_are_listed_by_number_and_the_unnumbered_last() -> None:
    numbers = {"1.2.9": "2", "1.2.8": "10", "1.2.7": ""}
    series = [SeriesFacts(uid=uid, number=number, modality="CT") for uid, number in numbers.items()]
    mine = build(view(*(instance(n, series=one) for one in series for n in (10, 2))), SITE)
    assert [one["uid"] for one in mine["series"]] == ["1.2.9", "1.2.8", "1.2.7"]
    assert [one["number"] for one in mine["series"][0]["instance"]] == [2, 10]
    assert "number" not in mine["series"][2]


@pytest.mark.parametrize("number", ["", "-1", "2147483648", "1.5", "one", "99999999999"])
def test_a_number_that_is_no_unsigned_int_is_left_out(number: str) -> None:
    mine = build(view(instance(series=SeriesFacts(uid="1.2.1", number=number))), SITE)
    assert "number" not in mine["series"][0]


def test_documents_do_not_date_or_name_a_study_that_has_pictures() -> None:
    key_object = SeriesFacts(uid="1.2.2", number="1", modality="KO", date="20060101", time="10")
    images = SeriesFacts(uid="1.2.3", number="2", modality="CT", date="20220822", time="164758")
    mine = build(
        view(
            instance(series=key_object, date="20060101", time="1000", description="Note"),
            instance(series=images, date="20220822", time="083117", description="Head"),
        ),
        SITE,
    )
    assert mine["started"] == "2022-08-22T08:31:17+02:00"
    assert mine["description"] == "Head"
    assert [one["code"] for one in mine["modality"]] == ["CT", "KO"]
    assert primary_modality(mine) == "CT"


def test_a_study_of_documents_is_dated_by_them() -> None:
    report = SeriesFacts(uid="1.2.2", modality="SR")
    mine = build(view(instance(series=report, date="20060101")), SITE)
    assert mine["started"] == "2006-01-01"
    assert primary_modality(mine) == "SR"


def test_without_a_study_date_the_first_series_or_acquisition_dates_the_study() -> None:
    dated = SeriesFacts(uid="1.2.2", modality="CT", date="20220822", time="10")
    assert build(view(instance(series=dated)), SITE)["started"] == "2022-08-22T10:00:00+02:00"
    acquired = replace(instance(), acquisition="20220822093000")
    assert build(view(acquired), SITE)["started"] == "2022-08-22T09:30:00+02:00"
    assert "started" not in build(view(instance()), SITE)


def test_the_offset_of_the_leading_series_counts_when_instances_disagree() -> None:
    late = SeriesFacts(uid="1.2.2", modality="CT", date="20220822", time="120000")
    early = SeriesFacts(uid="1.2.3", modality="CT", date="20220822", time="110000")
    when = {"date": "20220822", "time": "105900"}
    mine = build(
        view(
            replace(instance(series=late, **when), offset_from_utc="+0900"),
            replace(instance(series=early, **when), offset_from_utc="+0100"),
        ),
        SITE,
    )
    assert mine["started"] == "2022-08-22T10:59:00+01:00"


def test_without_a_zone_times_are_left_out_and_dates_stay() -> None:
    mine = build(view(instance(date="20220822", time="083117")), Site(base="https://h.example"))
    assert mine["started"] == "2022-08-22"


def test_an_accession_is_an_identifier_and_what_the_study_is_based_on() -> None:
    number = Number("A1", Issuer("RIS", "1.2.3", "ISO"))
    mine = build(view(instance(accession=number)), SITE)
    identifier = {
        "type": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]
        },
        "system": "urn:oid:1.2.3",
        "value": "A1",
    }
    assert mine["identifier"][1:] == [identifier]
    assert mine["basedOn"] == [{"type": "ServiceRequest", "identifier": identifier}]


def test_a_known_order_is_referenced_and_several_accessions_are_all_kept() -> None:
    issuer = Issuer("RIS")
    request = Request(study="1.2", accession=Number("A2", issuer))
    foreign = Request(study="9.9", accession=Number("A9", issuer))
    one = replace(instance(accession=Number("A1", issuer)), requests=(request, foreign))
    orders = (Order("ServiceRequest/r2", Number("A2", issuer)), Order("ServiceRequest/r3"))
    mine = build(view(one, orders=orders), SITE)
    assert [each["value"] for each in mine["identifier"][1:]] == ["A1", "A2"]
    references = [each.get("reference") for each in mine["basedOn"]]
    assert references == [None, "ServiceRequest/r2", "ServiceRequest/r3"]


def test_an_accession_with_an_issuer_stands_for_the_same_one_without() -> None:
    bare, issued = Number("A1"), Number("A1", Issuer("RIS"))
    mine = build(view(instance(1, accession=bare), instance(2, accession=issued)), SITE)
    assert [one.get("system") for one in mine["identifier"][1:]] == [f"{SITE.base}/ris"]


def test_a_study_id_is_kept_only_where_the_site_says_whose_it_is() -> None:
    study = view(instance(number="7"))
    assert len(build(study, SITE)["identifier"]) == 1
    site = replace(SITE, study_id_system="https://ris.example/study")
    assert build(study, site)["identifier"][1] == {
        "system": "https://ris.example/study",
        "value": "7",
    }


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "registered"),
        ({"cancelled": True}, "cancelled"),
        ({"wrong": True}, "entered-in-error"),
        ({"instances": (instance(),)}, "available"),
        ({"instances": (instance(),), "cancelled": True}, "available"),
        ({"instances": (instance(),), "wrong": True}, "entered-in-error"),
    ],
)
def test_the_status_says_what_is_there(more: dict[str, object], status: str) -> None:
    mine = build(view(**more), SITE)
    assert mine["status"] == status
    assert mine["numberOfInstances"] == len(more.get("instances", ()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "images", "code"),
    [
        ("L", [("R",)], "7771000"),
        ("R", [()], "24028007"),
        ("", [("B",), ("B",)], "51440002"),
        ("", [("R",), ("L",)], None),
        ("", [("R", "L")], None),
        ("", [("R",), ()], None),
        ("", [("U",)], None),
    ],
)
def test_a_side_is_told_only_when_every_image_agrees(
    declared: str, images: list[tuple[str, ...]], code: str | None
) -> None:
    series = SeriesFacts(uid="1.2.1", modality="MG", laterality=declared)
    instances = [
        replace(instance(n, series=series), image_laterality=sides)
        for n, sides in enumerate(images)
    ]
    found = build(view(*instances), SITE)["series"][0].get("laterality", {})
    assert found.get("code") == code


def test_contradicting_sides_of_one_series_are_left_out() -> None:
    sides = [SeriesFacts(uid="1.2.1", modality="CR", laterality=side) for side in "LR"]
    mine = build(view(*(instance(n, series=one) for n, one in enumerate(sides))), SITE)
    assert "laterality" not in mine["series"][0]


def test_people_with_an_id_are_referenced_and_people_with_a_name_are_named() -> None:
    identified = Person("Curie^Marie", (Code("77", "99HR"),))
    series = SeriesFacts(
        uid="1.2.1",
        modality="CT",
        performers=(identified,),
        operators=(Person("Smith^Ann"), Person("Smith^Ann")),
        manufacturer="ACME",
        model="One",
        device_uid="1.9",
        institution="St. Elsewhere",
    )
    known = {(f"{SITE.base}/99HR", "77"): "Practitioner/curie"}
    study = view(
        instance(series=series, referrer=identified, readers=(Person("Roe^R"),)), known=known
    )
    mine = build(study, SITE)
    curie = {
        "type": "Practitioner",
        "reference": "Practitioner/curie",
        "identifier": {"system": f"{SITE.base}/99HR", "value": "77"},
        "display": "Marie Curie",
    }
    assert mine["referrer"] == curie
    assert mine["interpreter"] == [{"type": "Practitioner", "display": "R Roe"}]
    performers = mine["series"][0]["performer"]
    assert [one["function"]["coding"][0]["code"] for one in performers] == [
        "PRF",
        "SPRF",
        "DEV",
        "LOC",
    ]
    assert performers[0]["actor"] == curie
    assert performers[2]["actor"]["identifier"] == {
        "system": "urn:dicom:uid",
        "value": "urn:oid:1.9",
    }


def test_reasons_of_the_request_come_before_those_of_the_performed_step() -> None:
    asked = Request(reason_text="Cough", reasons=(Code("49727002", "SCT", "Cough"),))
    one = replace(
        instance(reasons=(Code("1", "L"), Code("49727002", "SCT", "Cough"))), requests=(asked,)
    )
    found = build(view(one), SITE)["reasonCode"]
    assert found[0]["text"] == "Cough"
    assert [each["coding"][0]["code"] for each in found] == ["49727002", "1", "49727002"]


def test_a_procedure_is_coded_or_at_least_named() -> None:
    coded = build(view(instance(procedures=(Code("24727-0", "LN", "CT Head"),))), SITE)
    assert coded["procedureCode"][0]["coding"][0]["system"] == "http://loinc.org"
    named = build(view(instance(description="Head")), SITE)
    assert named["procedureCode"] == [{"text": "Head"}]


def test_what_others_decided_is_part_of_the_study() -> None:
    series = SeriesFacts(uid="1.2.1", modality="CT", retrieve_url="https://far.example/rs")
    mine = build(
        view(
            instance(series=series),
            tags=(ARRIVING,),
            endpoints=("Endpoint/e1",),
            encounter="Encounter/v1",
            elsewhere={"https://far.example/rs": "Endpoint/far"},
            subject_number=Number("42", Issuer("ACME")),
        ),
        SITE,
    )
    assert mine["meta"]["tag"] == [{"system": "urn:triptych:tag", "code": "arriving"}]
    assert mine["endpoint"] == [{"reference": "Endpoint/e1"}]
    assert mine["encounter"] == {"reference": "Encounter/v1"}
    assert mine["series"][0]["endpoint"] == [{"reference": "Endpoint/far"}]
    assert mine["subject"] == {
        "reference": "Patient/p1",
        "type": "Patient",
        "identifier": {"system": f"{SITE.base}/acme", "value": "42"},
    }


def test_a_series_without_modality_is_other_and_an_unknown_one_is_kept() -> None:
    for given, told in (("", "OT"), ("ZZ", "ZZ")):
        mine = build(view(instance(series=SeriesFacts(uid="1.2.1", modality=given))), SITE)
        assert mine["series"][0]["modality"] == {"system": DCM, "code": told}


def test_control_characters_of_a_header_do_not_reach_fhir() -> None:
    mine = build(view(instance(description="He\x00ad\x1b \n")), SITE)
    assert mine["description"] == "Head"
