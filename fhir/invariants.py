"""The invariants of R4 that the tables name, each as a predicate over the JSON of its element.

They are the `error` constraints of the definitions; what holds for every element or every resource
(ele-1, ext-1, dom-*, ref-1) is the walker's business.
"""

from collections.abc import Callable, Iterable
from typing import Any

from fhir import narrative
from fhir.datetimes import search_range
from fhir.errors import BadDate

UCUM = "http://unitsofmeasure.org"

Json = dict[str, Any]
Rule = tuple[str, Callable[[Any], bool]]


def broken(key: str, value: Any) -> str:
    """Why a value breaks the invariant of this key, or "" when it keeps it."""
    message, holds = RULES[key]
    return "" if holds(value) else message


def has(value: Json, *names: str) -> bool:
    """Whether any of the members is there; a name ending in [x] stands for all forms of a choice."""
    return any(_has(value, name) for name in names)


def _has(value: Json, name: str) -> bool:
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        return any(key.startswith(stem) and key[len(stem) :][:1].isupper() for key in value)
    return name in value or f"_{name}" in value


def _needs(name: str, *others: str) -> Callable[[Json], bool]:
    """If the first member is there, so is one of the others."""
    return lambda value: not has(value, name) or has(value, *others)


def _not_both(one: str, other: str) -> Callable[[Json], bool]:
    return lambda value: not (has(value, one) and has(value, other))


def _exactly_one(*names: str) -> Callable[[Json], bool]:
    return lambda value: sum(has(value, name) for name in names) == 1


def _some(*names: str) -> Callable[[Json], bool]:
    return lambda value: has(value, *names)


def _distinct(keys: Iterable[Any]) -> bool:
    listed = list(keys)
    return len(listed) == len(set(listed))


def _each(value: Json, name: str) -> list[Json]:
    members = value.get(name, [])
    return [one for one in members if isinstance(one, dict)] if isinstance(members, list) else []


def _ordered(low: Any, high: Any) -> bool:
    """Whether low is not above high, as far as both are of a kind that can be compared."""
    try:
        return bool(low <= high)
    except TypeError:
        return True


def _period(value: Json) -> bool:
    """Start not after end; where one has no time of day, by the part that both have (per-1)."""
    start, end = value.get("start"), value.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if "T" not in start or "T" not in end:
        shared = min(len(start), len(end), 10)
        return start[:shared] <= end[:shared]
    try:
        return search_range(start)[0] < search_range(end)[1]
    except BadDate:
        return True


def _unit(value: Json) -> bool:
    """A value has a code, and its system, if told, is UCUM (age-1, dis-1, cnt-3)."""
    return not (has(value, "value") and not has(value, "code")) and _ucum(value)


def _ucum(value: Json) -> bool:
    return value.get("system") in (None, UCUM)


def _age(value: Json) -> bool:
    return _unit(value) and _ordered(0, value.get("value", 1)) and value.get("value") != 0


def _count(value: Json) -> bool:
    number = value.get("value", 0)
    return _unit(value) and value.get("code", "1") == "1" and "." not in str(number)


def _duration(value: Json) -> bool:
    return not has(value, "code") or (value.get("system") == UCUM and has(value, "value"))


def _ratio(value: Json) -> bool:
    both = has(value, "numerator") == has(value, "denominator")
    return both and has(value, "numerator", "extension")


def _range(value: Json) -> bool:
    low, high = value.get("low"), value.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    return _ordered(low.get("value"), high.get("value"))


def _offset(value: Json) -> bool:
    when = value.get("when")
    codes = {str(one) for one in when} if isinstance(when, list) else set()
    return not has(value, "offset") or (bool(codes) and not codes & {"C", "CM", "CD", "CV"})


def _same_code(value: Json) -> bool:
    """No component has the observation's own code while the observation has a value (obs-7)."""
    own = _codings(value.get("code"))
    parts = {c for part in _each(value, "component") for c in _codings(part.get("code"))}
    return not has(value, "value[x]") or not own & parts


def _codings(concept: Any) -> set[tuple[Any, Any]]:
    codings = _each(concept, "coding") if isinstance(concept, dict) else []
    return {(str(one.get("system")), str(one.get("code"))) for one in codings}


def _entries_have(name: str, *kinds: str) -> Callable[[Json], bool]:
    """Every entry has the member if the bundle is of one of the kinds, and none otherwise."""
    return lambda bundle: all(
        has(entry, name) == (bundle.get("type") in kinds) for entry in _each(bundle, "entry")
    )


def _full_urls(bundle: Json) -> bool:
    keys = []
    for entry in _each(bundle, "entry"):
        resource = entry.get("resource")
        meta = resource.get("meta") if isinstance(resource, dict) else None
        version = meta.get("versionId") if isinstance(meta, dict) else None
        if "fullUrl" in entry:
            keys.append((str(entry["fullUrl"]), str(version)))
    return bundle.get("type") == "history" or _distinct(keys)


def _first_is(bundle_type: str, resource_type: str) -> Callable[[Json], bool]:
    def holds(bundle: Json) -> bool:
        first = next(iter(_each(bundle, "entry")), {}).get("resource")
        name = first.get("resourceType") if isinstance(first, dict) else None
        return bundle.get("type") != bundle_type or name == resource_type

    return holds


def _document(holds: Callable[[Json], bool]) -> Callable[[Json], bool]:
    return lambda bundle: bundle.get("type") != "document" or holds(bundle)


def _identified(bundle: Json) -> bool:
    identifier = bundle.get("identifier")
    return isinstance(identifier, dict) and has(identifier, "system") and has(identifier, "value")


def _kind(kind: str, holds: Callable[[Json], bool]) -> Callable[[Json], bool]:
    return lambda statement: statement.get("kind") != kind or holds(statement)


def _trigger(value: Json) -> bool:
    kind = str(value.get("type", ""))
    if kind.startswith("data-"):
        return has(value, "data")
    needed = {"named-event": "name", "periodic": "timing[x]"}.get(kind)
    return needed is None or has(value, needed)


def _not_at_home(value: Json) -> bool:
    return value.get("use") != "home"


def _not_negative(name: str) -> Callable[[Json], bool]:
    return lambda value: _ordered(0, value.get(name, 0))


RULES: dict[str, Rule] = {
    "age-1": ("an age has a positive value, a code and UCUM as system", _age),
    "att-1": ("data needs a contentType", _needs("data", "contentType")),
    "bdl-1": (
        "only a searchset or a history has a total",
        lambda b: not has(b, "total") or b.get("type") in ("searchset", "history"),
    ),
    "bdl-2": (
        "only entries of a searchset have search",
        lambda b: (
            b.get("type") == "searchset" or not any(has(e, "search") for e in _each(b, "entry"))
        ),
    ),
    "bdl-3": (
        "entries of a batch, transaction or history, and no others, have a request",
        _entries_have("request", "batch", "transaction", "history"),
    ),
    "bdl-4": (
        "entries of a response or history, and no others, have a response",
        _entries_have("response", "batch-response", "transaction-response", "history"),
    ),
    "bdl-5": (
        "an entry has a resource, a request or a response",
        _some("resource", "request", "response"),
    ),
    "bdl-7": ("two entries have the same fullUrl and version", _full_urls),
    "bdl-8": (
        "a fullUrl names no version",
        lambda entry: "/_history/" not in str(entry.get("fullUrl", "")),
    ),
    "bdl-9": ("a document has an identifier with system and value", _document(_identified)),
    "bdl-10": ("a document has a timestamp", _document(_some("timestamp"))),
    "bdl-11": ("a document begins with a Composition", _first_is("document", "Composition")),
    "bdl-12": ("a message begins with a MessageHeader", _first_is("message", "MessageHeader")),
    "cnt-3": ("a count is a whole number with the code 1 of UCUM", _count),
    "cpb-1": (
        "a statement tells of REST, messaging or documents",
        _some("rest", "messaging", "document"),
    ),
    "cpb-2": (
        "a statement has a description, software or implementation",
        _some("description", "software", "implementation"),
    ),
    "cpb-3": (
        "only an instance has messaging endpoints",
        lambda s: (
            s.get("kind") == "instance"
            or not any(has(one, "endpoint") for one in _each(s, "messaging"))
        ),
    ),
    "cpb-7": (
        "two documents have the same profile and mode",
        lambda s: _distinct(
            (str(one.get("profile")), str(one.get("mode"))) for one in _each(s, "document")
        ),
    ),
    "cpb-9": (
        "a resource type is described twice",
        lambda rest: _distinct(str(one.get("type")) for one in _each(rest, "resource")),
    ),
    "cpb-12": (
        "a search parameter is named twice",
        lambda one: _distinct(str(param.get("name")) for param in _each(one, "searchParam")),
    ),
    "cpb-14": ("an instance has an implementation", _kind("instance", _some("implementation"))),
    "cpb-15": (
        "a capability has software and no implementation",
        _kind("capability", lambda s: has(s, "software") and not has(s, "implementation")),
    ),
    "cpb-16": (
        "requirements have neither software nor implementation",
        _kind("requirements", lambda s: not has(s, "software", "implementation")),
    ),
    "cpt-2": ("a value needs a system", _needs("value", "system")),
    "dis-1": ("a distance with a value has a code, and UCUM as system", _unit),
    "drq-1": ("either path or searchParam is given", _exactly_one("path", "searchParam")),
    "drq-2": ("either path or searchParam is given", _exactly_one("path", "searchParam")),
    "drt-1": ("a duration with a code has a value and UCUM as system", _duration),
    "exp-1": ("an expression or a reference is given", _some("expression", "reference")),
    "grp-1": (
        "only an actual group has members",
        lambda group: not has(group, "member") or group.get("actual") is True,
    ),
    "inv-1": (
        "a parameter has a value, a resource or parts, and only one of them",
        _exactly_one("value[x]", "resource", "part"),
    ),
    "obs-3": ("a reference range has low, high or text", _some("low", "high", "text")),
    "obs-6": (
        "a value and the reason of its absence exclude each other",
        _not_both("dataAbsentReason", "value[x]"),
    ),
    "obs-7": ("a component repeats the code of the observation's own value", _same_code),
    "org-1": ("an organization has a name or an identifier", _some("identifier", "name")),
    "org-2": ("an organization has no home", _not_at_home),
    "org-3": ("an organization has no home", _not_at_home),
    "pat-1": (
        "a contact has a name, telecom, address or organization",
        _some("name", "telecom", "address", "organization"),
    ),
    "per-1": ("the period ends before it starts", _period),
    "ppc-1": ("a consent has a policy or a policyRule", _some("policy", "policyRule")),
    "prr-1": ("orderDetail needs a code", _needs("orderDetail", "code")),
    "qty-3": ("a code needs its system", _needs("code", "system")),
    "rat-1": ("a ratio has numerator and denominator, or an extension", _ratio),
    "rng-2": ("the range ends below its start", _range),
    "sev-1": ("an entity has a name or a query, not both", _not_both("name", "query")),
    "tim-1": ("a duration needs durationUnit", _needs("duration", "durationUnit")),
    "tim-2": ("a period needs periodUnit", _needs("period", "periodUnit")),
    "tim-4": ("a duration is not negative", _not_negative("duration")),
    "tim-5": ("a period is not negative", _not_negative("period")),
    "tim-6": ("periodMax needs a period", _needs("periodMax", "period")),
    "tim-7": ("durationMax needs a duration", _needs("durationMax", "duration")),
    "tim-8": ("countMax needs a count", _needs("countMax", "count")),
    "tim-9": ("an offset needs a when that is no meal itself", _offset),
    "tim-10": ("timeOfDay and when exclude each other", _not_both("timeOfDay", "when")),
    "trd-1": ("data and timing exclude each other", _not_both("data", "timing[x]")),
    "trd-2": ("a condition needs data", _needs("condition", "data")),
    "trd-3": ("the trigger lacks what its type needs", _trigger),
    "txt-1": (
        "the narrative is not harmless XHTML",
        lambda div: not isinstance(div, str) or narrative.fault(div) in ("", narrative.SILENT),
    ),
    "txt-2": (
        "the narrative tells nothing",
        lambda div: not isinstance(div, str) or narrative.fault(div) != narrative.SILENT,
    ),
}
