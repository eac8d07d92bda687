"""What an app may be granted: what it asks, within its ceiling and its user's role, and the choice
that the user has of it (SMART App Launch 2.2, scopes-and-launch-context).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fhir import scopes
from fhir.scopes import Scope
from server.flows import questions
from server.flows.accounts import ROLES, Account
from server.flows.clients import Client

# Words that are no scopes of resources, in the order in which they are shown.
WORDS = (
    "openid",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
)
# Types that a wildcard may be narrowed to on the page, the commonest first.
TYPES = (
    *("Patient", "ImagingStudy", "DiagnosticReport", "Observation", "ServiceRequest"),
    *("DocumentReference", "Encounter", "Endpoint", "Practitioner", "Organization"),
    *("RelatedPerson", "Provenance", "Binary"),
)
_OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
_US_CORE = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
_SERVICES = "http://terminology.hl7.org/CodeSystem/v2-0074"
# Categories by which a type may be narrowed: those of US Core, and those of our own results. Suites
# of US Core ask for Condition and want it granted in parts; the page says that there are none here.
CATEGORIES = {
    "Observation": tuple(
        f"{_OBSERVATION}|{code}"
        for code in ("laboratory", "imaging", "vital-signs", "social-history", "survey", "exam")
    ),
    "Condition": (
        *(f"{_CONDITION}|{code}" for code in ("encounter-diagnosis", "problem-list-item")),
        f"{_US_CORE}|health-concern",
    ),
    "DiagnosticReport": tuple(f"{_SERVICES}|{code}" for code in ("RAD", "LAB", "CUS")),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be granted: words, and scopes of resources."""

    words: tuple[str, ...]
    scopes: tuple[Scope, ...]

    @property
    def needs_patient(self) -> bool:
        """Whether a patient must be in context: patient/ scopes are nobody's without one."""
        about = any(scope.context == "patient" for scope in self.scopes)
        return about or "launch/patient" in self.words

    @property
    def text(self) -> str:
        """All of it as a scope parameter."""
        return scopes.text(self.scopes, self.words)


def offer(asked: str, client: Client, account: Account) -> Offer:
    """What is asked, within what the client and the user may have at most."""
    ceiling_scopes, ceiling_words = scopes.split(client.scope)
    asked_scopes, asked_words = scopes.split(asked)
    role = scopes.split(ROLES[account.role])[0]
    met = scopes.intersect(scopes.intersect(asked_scopes, ceiling_scopes), role)
    words = [word for word in WORDS if word in asked_words and word in ceiling_words]
    if not role:  # who sees no records has none in context
        words = [word for word in words if not word.startswith("launch")]
    return Offer(tuple(words), tuple(one for one in met if questions.served(one)))


def narrower(scope: Scope) -> tuple[Scope, ...]:
    """What a user may choose instead of a scope: types of a wildcard, categories of a type."""
    if scope.query:
        return ()
    if scope.type == "*":
        return tuple(replace(scope, type=one) for one in TYPES)
    return tuple(
        replace(scope, query=f"category={category}", first=False)
        for category in CATEGORIES.get(scope.type, ())
    )


def granted(offered: Offer, chosen: Iterable[str]) -> Offer:
    """What the user ticked of an offer; what was never offered is nothing."""
    ticked, words = scopes.split(" ".join(chosen))
    met = scopes.intersect(ticked, offered.scopes)
    kept = tuple(word for word in offered.words if word in words)
    return Offer(kept, tuple(one for one in met if questions.served(one)))
