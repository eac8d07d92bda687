"""The CapabilityStatement (R4), made from the tables by which requests are answered.

What it declares is what is served: parameters and includes come from the search table, types and
interactions from the server's route table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir.codes import coded
from fhir.datetimes import instant
from fhir.definitions import search_parameters
from fhir.search_params import TABLE, Param, Table

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
PATIENT_COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/patient"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServedType:
    """One resource type: its interactions (R4 type-restful-interaction) and what conditions work.

    `conditional_delete` is not-supported, single or multiple; `operations` are pairs of a name
    without the dollar sign and the canonical URL of its definition.
    """

    type: str
    interactions: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    conditional_create: bool = False
    conditional_update: bool = False
    conditional_delete: str = "not-supported"
    update_creates: bool = False
    operations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """The whole server. `oauth` maps authorize, token, register, introspect, … to their URLs."""

    base: str
    version: str
    date: datetime
    types: tuple[ServedType, ...]
    oauth: tuple[tuple[str, str], ...]
    interactions: tuple[str, ...] = ()
    operations: tuple[tuple[str, str], ...] = ()
    formats: tuple[str, ...] = ("json", "application/fhir+json")
    patch_formats: tuple[str, ...] = ()
    instantiates: tuple[str, ...] = ()
    compartments: tuple[str, ...] = (PATIENT_COMPARTMENT,)


def statement(served: Served, *, table: Table = TABLE) -> Json:
    """The CapabilityStatement of the running server."""
    fields = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(served.date),
        "kind": "instance",
        "instantiates": list(served.instantiates),
        "software": {"name": "Triptych", "version": served.version},
        "implementation": {
            "description": "Images, orders and reports as one FHIR record",
            "url": served.base,
        },
        "fhirVersion": "4.0.1",
        "format": list(served.formats),
        "patchFormat": list(served.patch_formats),
        "rest": [_rest(served, table)],
    }
    return {key: value for key, value in fields.items() if value != []}


def includes(resource_type: str, types: Iterable[str], table: Table = TABLE) -> list[str]:
    """What `_include` can follow from a type to a type that is served."""
    served = frozenset(types)
    return [
        f"{resource_type}:{param.code}"
        for param in _references(resource_type, table)
        if served & frozenset(param.targets or served)
    ]


def reverse_includes(resource_type: str, types: Iterable[str], table: Table = TABLE) -> list[str]:
    """What `_revinclude` can follow to a type from the types that are served."""
    return [
        f"{source}:{param.code}"
        for source in types
        for param in _references(source, table)
        if resource_type in (param.targets or (resource_type,))
    ]


def _references(resource_type: str, table: Table) -> list[Param]:
    return [param for param in table.get(resource_type, {}).values() if param.kind == "reference"]


def _rest(served: Served, table: Table) -> Json:
    types = [one.type for one in served.types]
    body = {
        "mode": "server",
        "security": _security(served),
        "resource": [_resource(one, types, table) for one in served.types],
        "interaction": [{"code": code} for code in served.interactions],
        "operation": _operations(served.operations),
        "compartment": list(served.compartments),
    }
    return {key: value for key, value in body.items() if value != []}


def _security(served: Served) -> Json:
    """SMART on FHIR, with the addresses that SMART 1 clients read here."""
    uris = [{"url": name, "valueUri": url} for name, url in served.oauth]
    return {
        "extension": [{"url": OAUTH_URIS, "extension": uris}],
        "cors": True,
        "service": [{"coding": [coded(SECURITY, "SMART-on-FHIR", "SMART-on-FHIR")]}],
    }


def _resource(one: ServedType, types: list[str], table: Table) -> Json:
    searched = "search-type" in one.interactions
    params = list(table.get(one.type, {}).values()) if searched else []
    body = {
        "type": one.type,
        "supportedProfile": list(one.profiles),
        "interaction": [{"code": code} for code in one.interactions],
        "versioning": "versioned",
        "readHistory": "vread" in one.interactions,
        "updateCreate": one.update_creates,
        "conditionalCreate": one.conditional_create,
        "conditionalUpdate": one.conditional_update,
        "conditionalDelete": one.conditional_delete,
        "searchInclude": includes(one.type, types, table) if searched else [],
        "searchRevInclude": reverse_includes(one.type, types, table) if searched else [],
        "searchParam": [_param(one.type, param) for param in params],
        "operation": _operations(one.operations),
    }
    return {key: value for key, value in body.items() if value != []}


def _param(resource_type: str, param: Param) -> Json:
    base = "Resource" if param.code.startswith("_") else resource_type
    defined = search_parameters(base)[param.code]
    return {"name": param.code, "definition": defined.url, "type": param.kind}


def _operations(operations: Iterable[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "definition": url} for name, url in operations]
