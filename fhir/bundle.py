"""Bundle (R4) as JSON text around resources that stay exactly as they are stored.

Stored resources are never parsed to be listed: their text goes into the bundle as it is, which
keeps the spelling of every number and is fast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir.datetimes import instant
from fhir.wire import write

MATCH, INCLUDE, OUTCOME = "match", "include", "outcome"


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a searchset: the text of a resource and why it is there (R4 Bundle.search)."""

    body: str
    full_url: str = ""
    mode: str = MATCH


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one request: an entry of a history, batch-response or transaction-response.

    `method` and `url` belong to histories only. `body` is empty for a deletion.
    """

    status: str
    body: str = ""
    full_url: str = ""
    method: str = ""
    url: str = ""
    etag: str = ""
    location: str = ""
    modified: datetime | None = None
    outcome: str = ""


def searchset(
    entries: Iterable[Found], *, links: Mapping[str, str], total: int | None = None
) -> str:
    """The answer to a search; `links` by relation, self first (R4 3.1.1.1)."""
    return _bundle("searchset", (_found(entry) for entry in entries), links=links, total=total)


def collection(entries: Iterable[Found], timestamp: str) -> str:
    """Resources that belong together, to keep or to pass on (R4 bundle, type collection)."""
    told = (_entry(entry.full_url, entry.body) for entry in entries)
    return _bundle("collection", told, timestamp=timestamp)


def history(entries: Iterable[Done], *, links: Mapping[str, str], total: int | None = None) -> str:
    """Versions, the newest first, each with the request that made it (R4 3.1.0.13)."""
    told = (_done(entry, {"method": entry.method, "url": entry.url}) for entry in entries)
    return _bundle("history", told, links=links, total=total)


def responses(kind: str, entries: Iterable[Done]) -> str:
    """The answer to a batch or transaction, in the order of its requests (R4 3.1.0.11)."""
    return _bundle(f"{kind}-response", (_done(entry) for entry in entries))


def _bundle(
    kind: str,
    entries: Iterable[str],
    *,
    links: Mapping[str, str] | None = None,
    total: int | None = None,
    timestamp: str = "",
) -> str:
    head: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if timestamp:
        head["timestamp"] = timestamp
    if total is not None:
        head["total"] = total
    if links:
        head["link"] = [{"relation": name, "url": url} for name, url in links.items()]
    listed = ",".join(entries)
    return f'{write(head)[:-1]},"entry":[{listed}]}}' if listed else write(head)


def _found(entry: Found) -> str:
    return _entry(entry.full_url, entry.body, search={"mode": entry.mode})


def _done(entry: Done, request: dict[str, str] | None = None) -> str:
    response = {
        "status": entry.status,
        "location": entry.location,
        "etag": entry.etag,
        "lastModified": instant(entry.modified) if entry.modified else "",
    }
    kept: dict[str, Any] = {key: value for key, value in response.items() if value}
    text = write(kept)
    if entry.outcome:
        text = f'{text[:-1]},"outcome":{entry.outcome}}}'
    return _entry(entry.full_url, entry.body, request=request, response=text)


def _entry(
    full_url: str,
    body: str,
    *,
    search: dict[str, str] | None = None,
    request: dict[str, str] | None = None,
    response: str = "",
) -> str:
    parts = {
        "fullUrl": write(full_url) if full_url else "",
        "resource": body,
        "search": write(search) if search else "",
        "request": write(request) if request else "",
        "response": response,
    }
    return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items() if text) + "}"
