"""Bundles carry stored text as it is, and say why each entry is there."""

import json
from datetime import UTC, datetime

from fhir.bundle import INCLUDE, OUTCOME, Done, Found, history, responses, searchset
from fhir.outcome import Issue, outcome
from fhir.wire import write
from tests.support.outside import complaints

BASE = "https://hospital.example/fhir"
STORED = '{"resourceType":"Patient","id":"p1","multipleBirthInteger":2}'
DECIMAL = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50}}'


def test_a_searchset_tells_links_total_and_why_each_entry_is_there() -> None:
    warning = write(outcome(Issue("not-supported", "ignored", "warning")))
    text = searchset(
        [
            Found(STORED, f"{BASE}/Patient/p1"),
            Found('{"resourceType":"Endpoint"}', f"{BASE}/Endpoint/e", INCLUDE),
            Found(warning, mode=OUTCOME),
        ],
        links={"self": f"{BASE}/Patient?_id=p1", "next": f"{BASE}/Patient?page=2"},
        total=1,
    )
    bundle = json.loads(text)
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 1)
    assert [link["relation"] for link in bundle["link"]] == ["self", "next"]
    assert [entry["search"]["mode"] for entry in bundle["entry"]] == ["match", "include", "outcome"]
    assert bundle["entry"][0]["resource"] == json.loads(STORED)
    assert "fullUrl" not in bundle["entry"][2]
    assert "request" not in bundle["entry"][0]


def test_an_empty_searchset_has_no_entry_and_may_have_no_total() -> None:
    bundle = json.loads(searchset([], links={"self": BASE}))
    assert "entry" not in bundle
    assert "total" not in bundle
    assert json.loads(searchset([], links={}, total=0))["total"] == 0


def test_stored_numbers_keep_their_spelling() -> None:
    assert '"value":72.50' in searchset([Found(DECIMAL)], links={})


def test_a_history_tells_requests_and_a_deletion_has_no_resource() -> None:
    when = datetime(2026, 11, 24, tzinfo=UTC)
    text = history(
        [
            Done("204", method="DELETE", url="Patient/p1", modified=when, etag='W/"2"'),
            Done("201", STORED, f"{BASE}/Patient/p1", "POST", "Patient", 'W/"1"'),
        ],
        links={"self": f"{BASE}/Patient/p1/_history"},
        total=2,
    )
    gone, made = json.loads(text)["entry"]
    assert "resource" not in gone
    assert gone["response"]["lastModified"] == "2026-11-24T00:00:00.000Z"
    assert made["request"] == {"method": "POST", "url": "Patient"}
    assert made["response"]["etag"] == 'W/"1"'


def test_a_batch_response_holds_an_outcome_where_something_failed() -> None:
    failed = write(outcome(Issue("not-found", "no such Patient")))
    bundle = json.loads(responses("batch", [Done("200", STORED), Done("404", outcome=failed)]))
    assert bundle["type"] == "batch-response"
    assert bundle["entry"][1]["response"]["outcome"]["issue"][0]["code"] == "not-found"


def test_every_bundle_is_good_r4_to_an_outside_reader() -> None:
    links = {"self": BASE}
    made = Done("201", STORED, f"{BASE}/Patient/p1", "POST", "Patient", 'W/"1"', "Patient/p1")
    for text in (
        searchset([Found(STORED, f"{BASE}/Patient/p1")], links=links, total=1),
        history([made], links=links, total=1),
        responses("transaction", [made]),
    ):
        assert complaints(json.loads(text)) == []
