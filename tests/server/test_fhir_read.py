"""Read, vread, history, formats and errors over HTTP (conformance rows A11 and A12)."""

from random import Random

import pytest
import requests

from fhir.search_params import TABLE
from tests.support.library import FHIR_JSON, Library, link, refusal
from tests.support.outside import complaints
from tests.support.records import imaging_study
from tests.support.records import patient as a_patient

TYPES = ("Patient", "ImagingStudy", "Endpoint")
READ_ONLY = ("Binary", "RelatedPerson")
SEARCHED = TABLE.keys()


@pytest.mark.parametrize("type_", TYPES)
def test_a11_a_read_answers_with_version_time_and_type(library: Library, type_: str) -> None:
    body = library.one(type_)
    answer = library.get(f"{type_}/{body['id']}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == FHIR_JSON
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert answer.json() == body


def test_a11_what_the_caller_has_already_is_not_sent_again(library: Library) -> None:
    body = library.one("Patient")
    path = f"Patient/{body['id']}"
    assert library.get(path, If_None_Match='W/"1"').status_code == 304
    assert library.get(path, If_None_Match='W/"2"').status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "Patient/unknown",
        "Patient/../metadata/x",
        "Patient/a b",
        f"Patient/{'x' * 65}",
        "Patient/%00",
        "Patient/%27%20or%201=1",
        "patient/p1",
        "Observation/o1",
        "Nothing/x",
        "Patient/p1/_history/99",
        "Patient/p1/_history/abc",
        "Patient/p1/_history/99999999999999999999",
        "Patient/p1/Practitioner",
        "",
        "nowhere/at/all/of/it",
    ],
)
def test_a11_what_is_not_there_is_a_404_with_an_outcome(library: Library, path: str) -> None:
    assert refusal(library.get(path), 404)["code"] == "not-found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "Patient"),
        ("PUT", "Patient/p1"),
        ("PATCH", "Patient/p1"),
        ("DELETE", "Patient/p1"),
        ("DELETE", "ImagingStudy/s1"),
        ("POST", "Patient/p1"),
        ("PUT", "metadata"),
        ("GET", "Patient/_search/x/y"),
    ],
)
def test_a11_a_method_that_an_address_does_not_take_is_refused(
    library: Library, method: str, path: str
) -> None:
    answer = library.ask(method, path, data="{}", Content_Type=FHIR_JSON)
    status = 404 if path.endswith("/y") else 405
    refusal(answer, status)
    if status == 405:
        assert "GET" in answer.headers["Allow"]


def test_a11_head_answers_like_get_without_a_body(library: Library) -> None:
    answer = library.ask("HEAD", "Patient/p1")
    assert answer.status_code == 200
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.content == b""


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+json",
        "application/json",
        "application/json, text/plain, */*",
        "*/*",
        "application/*",
        "application/fhir+json; charset=utf-8",
        "application/fhir+json;fhirVersion=4.0",
        "text/html;q=0.9, application/json;q=0.1",
        "application/xml;q=0.9, application/fhir+json",
    ],
)
def test_a11_json_is_given_to_whoever_takes_it(library: Library, accept: str) -> None:
    answer = library.get("Patient/p1", Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(FHIR_JSON)


@pytest.mark.parametrize(
    "accept",
    ["application/fhir+xml", "text/html", "application/json;q=0, text/html", "image/png"],
)
@pytest.mark.parametrize("path", ["Patient/p1", "Patient?name=x", "metadata"])
def test_a11_what_is_no_json_is_406(library: Library, accept: str, path: str) -> None:
    refusal(library.get(path, Accept=accept), 406)


@pytest.mark.parametrize("wanted", ["json", "application/json", "application/fhir%2Bjson"])
@pytest.mark.parametrize("path", ["Patient/p1?", "Patient?name=x&", "metadata?"])
def test_a11_format_wins_over_accept(library: Library, wanted: str, path: str) -> None:
    answer = library.get(f"{path}_format={wanted}", Accept="text/html")
    assert answer.status_code == 200


@pytest.mark.parametrize("wanted", ["xml", "application/fhir%2Bxml", "turtle", ""])
@pytest.mark.parametrize("path", ["Patient/p1?", "Patient?name=x&", "metadata?"])
def test_a11_another_format_is_406(library: Library, wanted: str, path: str) -> None:
    refusal(library.get(f"{path}_format={wanted}"), 406)


def test_a11_a_format_in_a_form_counts_too(library: Library) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    answer = library.ask("POST", "Patient/_search", data="_format=json", Accept="text/html", **form)
    assert answer.status_code == 200
    refusal(library.ask("POST", "Patient/_search", data="_format=xml", **form), 406)


@pytest.mark.parametrize("path", ["Patient/p1", "Patient?_id=p1", "metadata"])
def test_a11_pretty_changes_the_spacing_alone(library: Library, path: str) -> None:
    sign = "&" if "?" in path else "?"
    plain, pretty = (library.get(f"{path}{sign}_pretty={word}") for word in ("false", "true"))
    assert plain.text.count("\n") == 0
    assert pretty.text.count("\n") > 5
    assert "".join(pretty.text.split()) == "".join(
        plain.text.replace("_pretty=false", "_pretty=true").split()
    )
    refusal(library.get(f"{path}{sign}_pretty=perhaps"), 400)


def test_a11_a_summary_of_a_read_is_marked_as_one(library: Library) -> None:
    study = library.one("ImagingStudy")
    path = f"ImagingStudy/{study['id']}"
    brief = library.get(f"{path}?_summary=true").json()
    assert "reasonCode" not in brief
    assert brief["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert complaints(brief) == []
    only = library.get(f"{path}?_elements=started").json()
    assert set(only) <= {"resourceType", "id", "meta", "status", "subject", "started"}
    assert library.get(f"{path}?_summary=false").json() == study


@pytest.mark.parametrize("words", ["_summary=most", "_summary=true&_elements=id"])
@pytest.mark.parametrize("path", ["Patient/p1", "metadata", "Patient"])
def test_a11_a_summary_that_there_is_not_is_400(library: Library, path: str, words: str) -> None:
    refusal(library.get(f"{path}?{words}"), 400)


def test_a11_metadata_needs_no_token_and_says_what_is_served(library: Library) -> None:
    answer = library.get("metadata", token="")
    statement = answer.json()
    assert answer.status_code == 200
    assert (statement["fhirVersion"], statement["kind"]) == ("4.0.1", "instance")
    assert {"json", FHIR_JSON} <= set(statement["format"])
    assert complaints(statement) == []
    served = {one["type"]: one for one in statement["rest"][0]["resource"]}
    assert set(served) == {*SEARCHED, *READ_ONLY}
    for type_ in READ_ONLY:
        codes = [interaction["code"] for interaction in served.pop(type_)["interaction"]]
        assert codes == ["read", "vread", "history-instance"]
    for type_, one in served.items():
        said = {interaction["code"] for interaction in one["interaction"]}
        assert said == {"read", "vread", "history-instance", "search-type"}
        assert {param["name"] for param in one["searchParam"]} == set(TABLE[type_])


def test_a11_every_declared_parameter_is_answered(library: Library) -> None:
    statement = library.get("metadata").json()
    strictly = {"Prefer": "handling=strict"}
    known = {"date": "2020-01-01", "quantity": "5.4", "composite": "x$2020"}
    for one in statement["rest"][0]["resource"]:
        for param in one.get("searchParam", []):
            value = known.get(param["type"], "Patient/p1")
            answer = library.get(f"{one['type']}?{param['name']}={value}", **strictly)
            assert answer.status_code == 200, param
        for include in one.get("searchInclude", []):
            assert library.get(f"{one['type']}?_include={include}").status_code == 200
        for include in one.get("searchRevInclude", []):
            assert library.get(f"{one['type']}?_revinclude={include}").status_code == 200
            has = f"_has:{include}:_lastUpdated=gt2000"
            assert library.get(f"{one['type']}?{has}", **strictly).status_code == 200


def test_a11_metadata_is_not_sent_again_to_who_has_it(library: Library) -> None:
    etag = library.get("metadata").headers["ETag"]
    assert library.get("metadata", If_None_Match=etag).status_code == 304
    assert library.get("metadata", If_None_Match='W/"old"').status_code == 200


def test_a11_hostile_text_comes_back_as_text(library: Library) -> None:
    body = a_patient(Random(1), "hostile")
    body["name"] = [{"text": "<script>alert(1)</script>\u2028\"'\\ \u0001".replace("\u0001", "")}]
    library.archive.put(body, filed_under="hostile")
    answer = library.get("Patient/hostile")
    assert answer.json()["name"] == body["name"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a11_a_request_id_is_given_back(library: Library) -> None:
    assert library.get("metadata", X_Request_Id="a-1").headers["X-Request-Id"] == "a-1"
    answers = [library.get("metadata", X_Request_Id=bad) for bad in ("x" * 65, "a b", "")]
    assert len({one.headers["X-Request-Id"] for one in answers}) == 3, "each gets one of ours"
    assert all(len(one.headers["X-Request-Id"]) == 16 for one in answers)


def test_a11_a_host_that_the_caller_makes_up_is_in_no_link(library: Library) -> None:
    for path in ("Patient?_count=1", "Patient/p1/_history"):
        answer = library.get(path, Host="evil.example", X_Forwarded_Host="evil.example")
        assert "evil.example" not in answer.text
        assert link(answer.json(), "self").startswith(library.base)


# A12


@pytest.fixture(scope="module")
def versions(library: Library) -> str:
    """A study of which there are five versions; gives its path."""
    dice = Random(5)
    body = imaging_study(dice, "s9000", "p1", ("e1",))
    for number in range(5):
        library.archive.put({**body, "description": f"version {number}"}, filed_under="p1")
        del library.archive.records[-1]
    return "ImagingStudy/s9000"


def history(library: Library, path: str) -> list[dict[str, object]]:
    answer = library.get(path)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["type"] == "history"
    assert complaints(bundle) == []
    found: list[dict[str, object]] = bundle.get("entry", [])
    return found


def test_a12_a_history_lists_each_version_once_the_newest_first(
    library: Library, versions: str
) -> None:
    entries = library.get(f"{versions}/_history").json()
    assert entries["total"] == 5
    listed = history(library, f"{versions}/_history")
    told = [entry["resource"]["description"] for entry in listed]  # type: ignore[index]
    assert told == [f"version {number}" for number in reversed(range(5))]
    requests_ = [(e["request"]["method"], e["request"]["url"]) for e in listed]  # type: ignore[index]
    assert requests_ == [("PUT", versions)] * 4 + [("POST", "ImagingStudy")]
    assert [e["response"]["etag"] for e in listed] == [f'W/"{n}"' for n in (5, 4, 3, 2, 1)]  # type: ignore[index]


def test_a12_pages_of_a_history_fit_together_both_ways(library: Library, versions: str) -> None:
    forward: list[list[str]] = []
    back: list[list[str]] = []
    page = library.get(f"{versions}/_history?_count=2").json()
    while True:
        forward.append([entry["response"]["etag"] for entry in page["entry"]])
        if not link(page, "next"):
            break
        page = library.get(link(page, "next")).json()
    while True:
        back.append([entry["response"]["etag"] for entry in page["entry"]])
        if not link(page, "previous"):
            break
        page = library.get(link(page, "previous")).json()
    assert [len(one) for one in forward] == [2, 2, 1]
    assert [one for one in reversed(back) if one] == forward


def test_a12_since_leaves_out_what_is_older(library: Library, versions: str) -> None:
    third = library.get(f"{versions}/_history/3").json()["meta"]["lastUpdated"]
    assert len(history(library, f"{versions}/_history?_since={third}")) >= 3
    assert len(history(library, f"{versions}/_history?_since=2099-01-01")) == 0
    assert len(history(library, f"{versions}/_history?_since=2000-01-01")) == 5
    issue = refusal(library.get(f"{versions}/_history?_since=yesterday"), 400)
    assert issue["expression"] == ["_since"]


def test_a12_each_version_can_be_read(library: Library, versions: str) -> None:
    for number in range(1, 6):
        answer = library.get(f"{versions}/_history/{number}")
        assert answer.status_code == 200
        assert answer.json()["description"] == f"version {number - 1}"
        assert answer.headers["ETag"] == f'W/"{number}"'
    assert refusal(library.get(f"{versions}/_history/6"), 404)
    assert refusal(library.get("ImagingStudy/unknown/_history"), 404)


def test_a11_no_answer_may_be_kept_by_others(library: Library) -> None:
    for path in ("Patient/p1", "Patient", "Patient/p1/_history"):
        assert library.get(path).headers["Cache-Control"] == "private, no-store"


def test_a11_the_server_says_nothing_of_itself_in_a_failure(library: Library) -> None:
    answer = requests.get(f"{library.base}/Patient/%ff%fe", timeout=60)
    assert answer.status_code in (400, 401, 404)
    assert "Traceback" not in answer.text


def test_a11_what_was_deleted_is_410(library: Library) -> None:
    gone = next(record for record in library.archive.of("ImagingStudy") if record.deleted)
    issue = refusal(library.get(f"ImagingStudy/{gone.id}"), 410)
    assert issue["code"] == "deleted"
    assert gone.id not in library.ids("ImagingStudy", ("_count", "500"))


def test_the_description_of_every_address_needs_no_token(library: Library) -> None:
    base = library.server.base
    told = requests.get(f"{base}/openapi.json", timeout=60).json()
    assert told["servers"] == [{"url": base}]
    assert {"/fhir/{type}/{id}", "/dicomweb/studies/{study}", "/metrics"} <= set(told["paths"])


@pytest.mark.parametrize("path", ["livez", "readyz"])
def test_probes_answer_without_a_token(library: Library, path: str) -> None:
    answer = requests.get(f"{library.server.base}/{path}", timeout=60)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status"}
