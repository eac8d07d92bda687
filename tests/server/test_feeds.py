"""What is agreed with a sender has its effect, and a message is told to be of the right one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hl7.message import parse
from server import clock
from server.errors import Invalid
from server.flows import feeds, messages, parties
from server.flows.feeds import Connecting, Feed
from server.flows.sites import House
from server.flows.worker import Worker
from server.store.fhir_tables import resource
from server.store.hl7_tables import message
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.houses import opened

ADT = "ADT^A08^ADT_A01"
HERE = Connecting("10.1.2.3")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path, OPEN_DOORS="none") as made:
        yield made


def put(house: House, name: str = "ris", organisation: str = "home", **more: Any) -> None:
    told = {"application": "RIS"} | more
    feeds.put_feed(house, Feed(0, name, **told), organisation, now=clock.now())


def agree(house: House, *traits: str, **more: Any) -> None:
    put(house, traits=frozenset(traits), **more)


def send(house: House, raw: bytes, calling: Connecting = HERE) -> str:
    caller = messages.greet(house, calling)
    assert caller is not None
    return parse(messages.receive(house, caller, raw)).first("MSA").text(1)


def written(house: House, type_: str) -> dict[str, Any]:
    """The only resource of a type, once everything was applied."""
    worker = Worker(house)
    while worker.step():
        pass
    with house.database.read() as connection:
        query = select(resource.c.text).where(resource.c.type == type_)
        (text,) = connection.execute(query).scalars()
    found: dict[str, Any] = json.loads(text)
    return found


def of(house: House) -> str:
    """The feed of the newest message."""
    with house.database.read() as connection:
        query = select(message.c.feed).order_by(message.c.id.desc()).limit(1)
        return str(connection.execute(query).scalar_one())


def numbers(body: dict[str, Any], kind: str) -> list[str]:
    """The identifiers of a type."""
    return [
        x["value"]
        for x in body["identifier"]
        if x.get("type", {}).get("coding", [{}])[0]["code"] == kind
    ]


def order(**fields: str) -> bytes:
    return packed("ORM^O01", PID, "ORC|NW|P1", obr(f1="1", f2="P1", f4="CT^CT^L", **fields))


def report(**fields: str) -> bytes:
    answered = obr(f1="1", f3="F1", f4="X^X^L", **fields)
    return packed("ORU^R01", PID, answered, obx("TX", "&IMP", "Well"))


@pytest.mark.parametrize(
    ("field", "accession"),
    [("OBR-18", "A18"), ("OBR-20", "A20"), ("OBR-21", "A21"), ("OBR-3", "F1")],
)
def test_the_accession_is_where_the_feed_says(house: House, field: str, accession: str) -> None:
    agree(house, accession=field)
    fields = {"f18": "A18", "f20": "A20", "f21": "A21"}
    assert send(house, report(f25="F", **fields)) == "AA"
    assert numbers(written(house, "DiagnosticReport"), "ACSN") == [accession]
    assert numbers(written(house, "ServiceRequest"), "ACSN") == [accession]


def test_an_update_of_a_snapshot_feed_removes_what_it_leaves_empty(house: House) -> None:
    full = f"{PID}|||1 High St^^Hull||555-1"
    agree(house)
    for number in range(2):
        send(house, packed(ADT, full if not number else PID, control=f"K{number}"))
    assert {"telecom", "address"} <= written(house, "Patient").keys()
    agree(house, feeds.SNAPSHOT)
    send(house, packed("ADT^A01^ADT_A01", PID, control="K2"))
    assert {"telecom", "address"} <= written(house, "Patient").keys()
    send(house, packed(ADT, PID, control="K3"))
    patient = written(house, "Patient")
    assert {"telecom", "address"}.isdisjoint(patient)
    assert patient["name"][0]["family"] == "Sample"
    assert [one["value"] for one in patient["identifier"]] == ["100"]


def test_a_character_set_that_is_not_the_declared_one_is_for_lenient_feeds(house: House) -> None:
    wrong = packed(ADT, PID.replace("Ann", "Zoë"), charset="ASCII")
    agree(house)
    assert send(house, wrong) == "AE"
    agree(house, feeds.LENIENT_CHARSET)
    assert send(house, wrong) == "AA"
    assert written(house, "Patient")["name"][0]["given"] == ["Zoë"]


def test_messages_without_a_character_set_are_in_that_of_feed_or_organisation(house: House) -> None:
    parties.add_organisation(
        house,
        "west",
        issuer="https://w.example",
        issuers={},
        zone="",
        now=clock.now(),
        charset="8859/2",
    )
    raw = packed(ADT, PID.replace("Ann", "@"), charset="").replace(
        b"@", "Łucja".encode("iso8859_2")
    )
    put(house, "pas", "west")
    send(house, raw)
    assert written(house, "Patient")["name"][0]["given"] == ["Łucja"]


def test_a_report_without_a_status_is_refused_where_that_is_agreed(house: House) -> None:
    agree(house)
    assert send(house, report()) == "AA"
    agree(house, feeds.STRICT_STATUS)
    assert send(house, report()) == "AE"


def test_what_names_no_service_is_imaging_unless_it_is_agreed_otherwise(house: House) -> None:
    agree(house, feeds.NOT_IMAGING)
    send(house, report(f25="F"))
    body = written(house, "DiagnosticReport")
    assert "category" not in body
    assert [one["code"] for one in body["code"]["coding"]] == ["X"]
    assert "category" not in written(house, "ServiceRequest")
    agree(house)
    send(house, report(f25="C"))
    assert "18748-4" in [
        one["code"] for one in written(house, "DiagnosticReport")["code"]["coding"]
    ]


@pytest.mark.parametrize(("taken", "expected"), [("P", "AR"), ("P,T", "AA")])
def test_only_what_the_feed_may_send_is_taken(house: House, taken: str, expected: str) -> None:
    agree(house, processing=frozenset(taken.split(",")))
    assert send(house, packed(ADT, PID, processing="T")) == expected


def test_a_message_is_of_the_feed_that_is_described_most_closely(house: House) -> None:
    put(house, "certified", application="", certificate="ab12")
    put(house, "secure", application="", listener="mllps")
    put(house, "near", application="", network="10.1.2.0/24")
    put(house, "far", application="", network="10.0.0.0/8")
    put(house, "named", application="RIS", facility="HOSP")
    raw = packed(ADT, PID)
    shown = frozenset({"ab12", "ris.example"})
    callers = {
        "certified": Connecting("10.1.2.3", "mllps", shown),
        "secure": Connecting("10.1.2.3", "mllps"),
        "near": Connecting("10.1.2.3"),
        "far": Connecting("10.9.9.9"),
        "named": Connecting("192.0.2.1"),
    }
    for name, calling in callers.items():
        assert send(house, raw, calling) == "AA"
        assert of(house) == name


def test_two_feeds_that_fit_equally_well_get_nothing(house: House) -> None:
    put(house, "one")
    put(house, "two")
    assert send(house, packed(ADT, PID)) == "AR"


US_PID = (
    f"{PID}||2106-3^White^CDCREC~2131-1^Other race^CDCREC" + "|" * 12 + "N^Not Hispanic^HL70189"
)


def test_race_and_ethnicity_are_told_in_the_us_realm_alone(tmp_path: Path) -> None:
    for realm in ("", "us"):
        with opened(tmp_path / f"realm{realm}", OPEN_DOORS="none", REALM=realm) as house:
            agree(house)
            send(house, packed(ADT, US_PID))
            told = {
                one["url"].rpartition("/")[2]: one["extension"][-1]["valueString"]
                for one in written(house, "Patient").get("extension", [])
            }
        assert told == (
            {"us-core-race": "White, Other race", "us-core-ethnicity": "Not Hispanic or Latino"}
            if realm
            else {}
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"application": ""},
        {"network": "10.1.2.3/99"},
        {"listener": "http"},
        {"charset": "KLINGON"},
        {"accession": "OBR-4"},
        {"answer_to": "http://ris.example:1"},
        {"answer_to": "mllp://ris.example"},
        {"answer_to": "mllp://ris.example:99999"},
        {"zone": "Mars"},
        {"issuer": "no uri"},
    ],
)
def test_a_feed_that_could_not_work_is_refused_with_a_sentence(
    house: House, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Invalid):
        put(house, **wrong)
