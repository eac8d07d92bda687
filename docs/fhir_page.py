"""The page of FHIR types, interactions and search parameters, from the tables that answer them."""

from collections.abc import Iterable

from docs import seen
from docs.tables import NOTE, code, codes, table
from fhir.capability import includes, reverse_includes
from fhir.search import DEFAULT_LIMITS, MODIFIERS
from fhir.search_params import Param
from fhir.search_values import PREFIXES
from server.flows.authorship import WRITTEN
from server.flows.resources import READ_ONLY, SEARCHED, TABLE
from server.web.fhir_search import READING, SEARCHING

_INTRO = """
FHIR 4.0.1 as JSON below `/fhir`; the same is in the CapabilityStatement, `/fhir/metadata`. XML is 406. Every
date without an offset is taken as UTC. What a token does not reach is left out of searches, counts and includes in
silence; a patient whom a request names and the token does not hold is 403, before any look-up.
"""


def page() -> str:
    """Return the page."""
    head = ("Interaction", "Types", "Seen by")
    rows = [(code(one), codes(_types(one)), code(test)) for one, test in seen.INTERACTIONS.items()]
    parts = [f"# FHIR\n\n{NOTE}{_INTRO}\n## Interactions\n\n{table(head, rows)}"]
    parts += [_results(), *(_type(name) for name in SEARCHED), _limits()]
    return "\n".join(parts)


def _types(interaction: str) -> tuple[str, ...]:
    if interaction in READING:
        return (*SEARCHED, *READ_ONLY)
    return SEARCHED if interaction in SEARCHING else WRITTEN


def _results() -> str:
    meaning = {
        "_count": f"resources on a page: 50 unless asked for, at most {DEFAULT_LIMITS.count}; 0 counts only",
        "_sort": "by any parameter of kind date, string or token, `-` for descending; what has no value comes last",
        "_total": "`accurate` or `estimate` (both are exact), `none`; without it, when the first page holds all",
        "_summary": "`true`, `text`, `data`, `count`, `false`",
        "_elements": "members by name; required ones stay",
        "_include": "`Type:parameter[:Target]` or `*`; `:iterate` follows what was added, three times",
        "_revinclude": "the same, backwards",
        "_format": "`json` in its spellings",
        "_pretty": "`true`: a line for each member",
    }
    rows = [(code(name), meaning[name], code(test)) for name, test in seen.RESULTS.items()]
    return (
        "## What any search may say\n\n"
        + table(("Parameter", "Meaning", "Seen by"), rows)
        + "\nPages are left by their `next` link. It leads on from the last resource shown, so that what comes or\n"
        "goes meanwhile neither repeats nor hides anything. `POST [type]/_search` takes the same as a form.\n"
        "`Patient/[id]/[type]` searches within a patient's record, for every type that has the parameter `patient`.\n"
        "`Prefer: handling=strict` makes unknown parameters errors; else they are ignored and named in the answer.\n"
    )


def _type(name: str) -> str:
    head = ("Parameter", "Kind", "Modifiers", "Looks at", "Seen by")
    rows = [
        (code(one.code), one.kind, _modifiers(one), code(_path(one)), code(seen.PARAMETERS))
        for one in TABLE[name].values()
    ]
    ways = "".join(
        f"\n`{word}`: {codes(found)}\n"
        for word, found in (
            ("_include", includes(name, SEARCHED, TABLE)),
            ("_revinclude", reverse_includes(name, SEARCHED, TABLE)),
        )
        if found
    )
    return f"## {name}\n\n{table(head, rows)}{ways}"


def _path(param: Param) -> str:
    """What a parameter looks at; of a composite also its two parts."""
    parts = " $ ".join(part.path for part in param.parts)
    return f"{param.path}: {parts}" if parts else param.path


def _modifiers(param: Param) -> str:
    return codes(f":{word}" for word in sorted(_allowed(param)))


def _allowed(param: Param) -> Iterable[str]:
    """The modifiers that a parameter takes, types of references aside."""
    special = {"of-type"} if param.flavour == "identifier" else set()
    kept = MODIFIERS[param.kind] | special
    return kept if param.answer == "index" else kept - {"text"}


def _limits() -> str:
    limits = DEFAULT_LIMITS
    prefixes = codes(sorted(PREFIXES))
    return (
        "## Values and limits\n\n"
        "- Token: `code`, `system|code`, `|code`, `system|`; codes without case, identifiers exact. UIDs with or\n"
        "  without `urn:oid:`.\n"
        "- String: starts with, without case and accents; each part of a name or address counts.\n"
        f"- Date: {prefixes}; a value is the whole time that it names, and so is what it is compared with.\n"
        "- Quantity: `120`, `gt5.4|http://unitsofmeasure.org|mg`, `5.4||mg` for a unit by its code or its word, and\n"
        "  the same prefixes. `100` is 99.5 to 100.5, `100.0` is 99.95 to 100.05; other prefixes than `eq`, `ne` and\n"
        "  `ap` mean exactly the number. A result of `<5` is anything below 5. No unit is converted.\n"
        "- Composite: two values of one and the same element, `8480-6$gt120`; each as of its own kind.\n"
        "- Reference: id, `Type/id`, or an address below our own; `:Type`, chains (`patient.name`) and `_has`.\n"
        "- A comma means or, a repeated parameter and. `\\\\,` `\\\\|` `\\\\$` stand for themselves.\n".replace(
            "\\\\", "\\"
        )
        + f"- At most {limits.parameters} parameters, {limits.values} values of one, {limits.depth} steps of a "
        "chain; a form of 1 MiB.\n"
    )
