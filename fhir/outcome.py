"""OperationOutcome (R4): what was wrong, where, and what the sender can do about it."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: `code` is an R4 issue-type, `expression` holds FHIRPaths or parameter names."""

    code: str
    diagnostics: str
    severity: str = "error"
    expression: tuple[str, ...] = ()


def outcome(*issues: Issue) -> Json:
    """The OperationOutcome of these issues; without any it says that all is well."""
    body = [_issue(issue) for issue in issues]
    return {
        "resourceType": "OperationOutcome",
        "issue": body or [_issue(Issue("informational", "All OK", "information"))],
    }


def _issue(issue: Issue) -> Json:
    body: Json = {"severity": issue.severity, "code": issue.code}
    if issue.diagnostics:
        body["diagnostics"] = issue.diagnostics
    if issue.expression:
        body["expression"] = list(issue.expression)
    return body
