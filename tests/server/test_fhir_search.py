"""Searching over HTTP (conformance row A13): names, values, modifiers, wrong words."""

from urllib.parse import urlencode

import pytest

from server.web.fhir_search import OF_PATIENT
from tests.support.library import Json, Library, link, matches, refusal
from tests.support.outside import complaints
from tests.support.records import FAMILIES

FORM = "application/x-www-form-urlencoded"


def add_people(library: Library, *names: tuple[str, Json]) -> None:
    for id_, body in names:
        if id_ not in {record.id for record in library.archive.records}:
            library.archive.put({"resourceType": "Patient", "id": id_, **body}, filed_under=id_)


def test_a13_a_search_answers_with_a_searchset(library: Library) -> None:
    bundle = library.search("Patient", ("_count", "5"))
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    assert complaints({key: bundle[key] for key in bundle if key != "entry"}) == []
    for entry in matches(bundle):
        resource = entry["resource"]
        assert entry["fullUrl"] == f"{library.base}/Patient/{resource['id']}"


def test_a13_the_self_link_says_what_was_understood(library: Library) -> None:
    bundle = library.search(
        "Patient", ("name", "a,b"), ("made-up", "1"), ("_count", "3"), ("_format", "json")
    )
    assert link(bundle, "self") == f"{library.base}/Patient?name=a,b&_count=3"


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("Patient", [("name", "mul"), ("_sort", "family")]),
        ("ImagingStudy", [("modality", "CT,MR"), ("_include", "ImagingStudy:endpoint")]),
        ("ImagingStudy", [("started", "ge2022-08-22T08:31:17+02:00")]),
        ("ImagingStudy", [("_summary", "count")]),
        ("Endpoint", []),
    ],
)
def test_a13_post_answers_as_get_does(
    library: Library, type_: str, words: list[tuple[str, str]]
) -> None:
    got = library.search(type_, *words)
    form = {"Content_Type": FORM}
    posted = library.ask("POST", f"{type_}/_search", data=urlencode(words), **form)
    assert posted.status_code == 200, posted.text
    assert posted.json() == got
    split = library.ask(
        "POST", f"{type_}/_search?{urlencode(words[:1])}", data=urlencode(words[1:]), **form
    )
    assert split.json() == got


def test_a13_a_post_of_anything_but_a_form_is_415(library: Library) -> None:
    for kind in ("application/json", "application/fhir+json", "text/plain"):
        refusal(library.ask("POST", "Patient/_search", data="{}", Content_Type=kind), 415)


def test_a13_a_patient_may_be_named_in_three_ways(library: Library) -> None:
    id_ = library.busiest()
    forms = [id_, f"Patient/{id_}", f"{library.base}/Patient/{id_}"]
    found = [library.ids("ImagingStudy", ("patient", form)) for form in forms]
    found += [library.ids("ImagingStudy", ("subject", form)) for form in forms[1:]]
    found += [library.ids("ImagingStudy", ("subject:Patient", id_))]
    found += [library.ids(f"Patient/{id_}/ImagingStudy")]
    for type_ in OF_PATIENT:
        told = library.ids(f"Patient/{id_}/{type_}", ("_lastUpdated", "gt2000"))
        assert told == library.ids(type_, ("patient", id_))
    assert len(found[0]) > 1
    assert all(one == found[0] for one in found)
    assert library.ids("ImagingStudy", ("patient", f"http://other.example/Patient/{id_}")) == []


def test_a13_a_search_follows_references(library: Library) -> None:
    add_people(
        library,
        (
            "chain",
            {"name": [{"family": "Chainsmith"}], "identifier": [{"system": "s", "value": "C1"}]},
        ),
    )
    study = library.one("ImagingStudy")
    body = {**study, "id": "s9100", "subject": {"reference": "Patient/chain"}}
    body["identifier"] = [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.9100"}]
    body["series"] = []
    library.archive.put({k: v for k, v in body.items() if v}, filed_under="chain")
    for words in (
        ("patient.name", "chainsmith"),
        ("patient.identifier", "s|C1"),
        ("patient:Patient.family", "Chain"),
        ("subject:Patient.name", "chainsmith"),
        ("patient._id", "chain"),
    ):
        assert library.ids("ImagingStudy", words) == ["s9100"], words
    assert library.ids("Patient", ("_has:ImagingStudy:patient:_id", "s9100")) == ["chain"]
    twice = "_has:ImagingStudy:patient:endpoint.name"
    assert library.get(f"Patient?{twice}=x").status_code == 200


def test_a13_tokens_are_compared_with_and_without_system(library: Library) -> None:
    add_people(
        library,
        (
            "token",
            {
                "identifier": [{"system": "http://t.example", "value": "Tk-1"}, {"value": "Tk-2"}],
                "gender": "female",
            },
        ),
    )

    def find(text: str) -> list[str]:
        return library.ids("Patient", ("identifier", text))

    assert find("Tk-1") == find("http://t.example|Tk-1") == find("http://t.example|") == ["token"]
    assert find("|Tk-2") == ["token"]
    assert find("|Tk-1") == find("http://t.example|Tk-2") == find("tk-1") == []
    both = library.ids("Patient", ("gender", "FEMALE"), ("_id", "token"))
    assert both == ["token"]
    assert library.ids("Patient", ("gender:not", "female"), ("_id", "token")) == []
    assert library.ids("Patient", ("_id:not", "token"), ("identifier", "Tk-1")) == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("family", "muller", True),
        ("family", "MÜLL", True),
        ("family", "uller", False),
        ("family:contains", "LLER", True),
        ("family:exact", "Müller-Lüdenscheidt", True),
        ("family:exact", "muller-ludenscheidt", False),
        ("given", "anna", True),
        ("given", "maria", False),
        ("name", "prof", True),
        ("address", "sao", True),
        ("address-city", "São Paulo", True),
        ("address", "08", True),
        ("name", "x,müller-l", True),
        ("name", "Müller\\, L", False),
    ],
)
def test_a13_strings_start_without_case_or_accent(
    library: Library, name: str, text: str, found: bool
) -> None:
    add_people(
        library,
        (
            "string",
            {
                "name": [
                    {
                        "family": "Müller-Lüdenscheidt",
                        "given": ["Anna Maria"],
                        "prefix": ["Prof."],
                    }
                ],
                "address": [{"city": "São Paulo", "postalCode": "08001", "country": "BR"}],
            },
        ),
    )
    assert ("string" in library.ids("Patient", (name, text))) is found


def test_a13_several_values_are_or_and_several_parameters_are_and(library: Library) -> None:
    add_people(library, ("words", {"name": [{"family": "Orr", "given": ["Andy"]}]}))
    assert "words" in library.ids("Patient", ("family", "nobody,orr"))
    assert "words" in library.ids("Patient", ("name", "orr"), ("name", "andy"))
    assert "words" not in library.ids("Patient", ("name", "orr"), ("name", "nobody"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2031-05-17", True),
        ("2031-05", True),
        ("2031", True),
        ("eq2031-05-17T07:30", True),
        ("eq2031-05-17T09:30", False),
        ("2031-05-17T09:30:15+02:00", True),
        ("2031-05-17T07:30:15Z", True),
        ("ge2031-05-17T07:30:15.000Z", True),
        ("2031-05-17T09:30:15 02:00", True),
        ("ne2031-05-17", False),
        ("ge2031-05-17", True),
        ("gt2031-05-17", False),
        ("gt2031-05-16", True),
        ("lt2031-05-18", True),
        ("lt2031-05-17", False),
        ("le2031-05-17", True),
        ("sa2031-05-16", True),
        ("sa2031-05-17", False),
        ("eb2031-05-18", True),
        ("eb2031-05-17", False),
        ("2031-05-18", False),
    ],
)
def test_a13_dates_have_prefixes_and_a_precision(library: Library, text: str, found: bool) -> None:
    if "s9200" not in {record.id for record in library.archive.records}:
        body = {
            "resourceType": "ImagingStudy",
            "id": "s9200",
            "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.9200"}],
            "status": "available",
            "subject": {"reference": "Patient/p1"},
            "started": "2031-05-17T09:30:15+02:00",
        }
        library.archive.put(body, filed_under="p1")
    assert ("s9200" in library.ids("ImagingStudy", ("started", text), ("_id", "s9200"))) is found


@pytest.mark.parametrize(
    ("type_", "name", "text"),
    [
        ("ImagingStudy", "started", "1973-02-30"),
        ("ImagingStudy", "started", "***"),
        ("ImagingStudy", "started", "yesterday"),
        ("ImagingStudy", "started", "2020-01-01T10:00:00.1234567890123Z"),
        ("ImagingStudy", "started", "xx2020"),
        ("Patient", "birthdate", "20200101"),
        ("Patient", "_lastUpdated", "now"),
        ("Patient", "_count", "-1"),
        ("Patient", "_count", "many"),
        ("Patient", "_total", "perhaps"),
        ("Patient", "_summary", "most"),
        ("Patient", "gender", "a|b|c"),
        ("Patient", "identifier", "a|b|c"),
        ("Patient", "name:missing", "perhaps"),
        ("ImagingStudy", "patient", "Patient/"),
        ("ImagingStudy", "patient", "Banana/1"),
        ("Patient", "_include", "nonsense"),
        ("Patient", "_cursor", "nonsense"),
        ("Patient", "_cursor", "WzEuNV0"),
        ("Patient", "_cursor", "W251bGwsMV0"),
    ],
)
def test_a13_a_wrong_value_is_400_and_says_where(
    library: Library, type_: str, name: str, text: str
) -> None:
    issue = refusal(library.get(f"{type_}?{urlencode([(name, text)])}"), 400)
    assert issue["expression"] == [name]
    assert text not in issue["diagnostics"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("family:above", "x"),
        ("gender:exact", "x"),
        ("birthdate:contains", "2020"),
        ("gender.name", "x"),
        ("_has:ImagingStudy", "x"),
        ("_has:Endpoint:organization:_id", "x"),
        ("_include:sometimes", "Patient:link"),
    ],
)
def test_a13_a_modifier_that_does_not_fit_is_400(library: Library, name: str, text: str) -> None:
    issue = refusal(library.get(f"Patient?{urlencode([(name, text)])}"), 400)
    assert issue["expression"]


def test_a13_every_code_of_a_value_set_may_be_asked_for_at_once(library: Library) -> None:
    codes = "registered,available,cancelled,entered-in-error,unknown"
    everything = library.ids("ImagingStudy", ("_count", "500"))
    assert library.ids("ImagingStudy", ("status", codes), ("_count", "500")) == everything


def test_a13_what_ends_a_value_can_be_escaped(library: Library) -> None:
    value = "a,b|c$d\\e"
    add_people(library, ("escape", {"identifier": [{"system": "http://x", "value": value}]}))
    escaped = "a\\,b\\|c\\$d\\\\e"
    assert library.ids("Patient", ("identifier", escaped)) == ["escape"]
    assert library.ids("Patient", ("identifier", f"http://x|{escaped}")) == ["escape"]


@pytest.mark.parametrize("text", ["100%", "_x", "%", "o'br", 'a"b', "\\", "' OR 1=1 --"])
def test_a13_signs_that_mean_something_to_sql_mean_nothing_here(
    library: Library, text: str
) -> None:
    wanted = {
        record.id
        for record in library.archive.of("Patient")
        if record.organisation == 1
        and any(
            text.casefold() in n.get("family", "").casefold() for n in record.body.get("name", [])
        )
    }
    found = set(library.ids("Patient", ("family:contains", text), ("_count", "500")))
    assert found >= wanted
    assert len(found) < len(FAMILIES) * 10
    for id_ in found - wanted:
        raise AssertionError(id_)


def test_a13_an_unknown_parameter_is_ignored_and_told(library: Library) -> None:
    bundle = library.search("Patient", ("_id", "p1"), ("shoe-size", "43"))
    assert [entry["resource"]["id"] for entry in matches(bundle)] == ["p1"]
    (told,) = matches(bundle, "outcome")
    issue = told["resource"]["issue"][0]
    assert (issue["severity"], issue["expression"]) == ("warning", ["shoe-size"])
    assert "shoe-size" not in link(bundle, "self")
    lenient = library.search("Patient", ("shoe-size", "43"), Prefer="handling=lenient")
    assert matches(lenient)


def test_a13_an_unknown_parameter_is_400_where_strictness_is_wanted(library: Library) -> None:
    answer = library.get("Patient?shoe-size=43", Prefer="handling=strict")
    assert refusal(answer, 400)["expression"] == ["shoe-size"]
    wanted = "return=representation; handling=strict"
    assert library.get("Patient?shoe-size=43", Prefer=wanted).status_code == 400
    assert library.get("Patient?name=a", Prefer="handling=strict").status_code == 200
    refusal(library.get("Patient", Prefer="handling=loose"), 400)


def test_a13_missing_finds_what_has_no_value(library: Library) -> None:
    everybody = library.ids("Patient", ("_count", "500"))
    without = library.ids("Patient", ("birthdate:missing", "true"), ("_count", "500"))
    having = library.ids("Patient", ("birthdate:missing", "false"), ("_count", "500"))
    assert without
    assert having
    assert sorted(without + having) == sorted(everybody)


def test_a13_uris_match_whole_or_by_their_path(library: Library) -> None:
    def find(name: str, text: str) -> list[str]:
        return library.ids("Patient", (name, text), ("_count", "500"))

    whole = find("_profile", "http://p.example/a")
    below = find("_profile:below", "http://p.example/a")
    deeper = find("_profile", "http://p.example/a/b")
    assert whole
    assert deeper
    assert sorted(below) == sorted(whole + deeper)
    assert sorted(find("_profile:above", "http://p.example/a/b")) == sorted(below)


def test_a13_the_words_of_one_search_are_limited(library: Library) -> None:
    many = urlencode([("name", f"n{number}") for number in range(5000)])
    refusal(library.get(f"Patient?{many[:6000]}"), 400)
    for data in (many, "name=" + "x" * (2 << 20), "name=" + "a," * 5000):
        answer = library.ask("POST", "Patient/_search", data=data, Content_Type=FORM)
        assert answer.status_code in (400, 413)
        refusal(answer, answer.status_code)


def test_a_refusal_that_leaves_a_body_unread_says_that_its_connection_ends(
    library: Library,
) -> None:
    """Else a client sends its next request on a connection that is going away, and loses it."""
    large = "name=" + "x" * (2 << 20)
    for _ in range(10):
        answer = library.ask("POST", "Patient/_search", data=large, Content_Type=FORM)
        assert (answer.status_code, answer.headers.get("Connection")) == (400, "close")
        answer = library.ask("POST", "Patient/_search", "nonsense", large, Content_Type=FORM)
        assert (answer.status_code, answer.headers.get("Connection")) == (401, "close")
    assert "Connection" not in library.get("Patient/nobody").headers


def test_a13_a_chain_is_limited(library: Library) -> None:
    deep = "_has:ImagingStudy:patient:" * 5
    assert library.get(f"Patient?{deep}_id=x").status_code == 400
