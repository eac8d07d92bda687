"""Numbers and their units in OBX (NM, SN) as Quantity, Range and Ratio, with units of UCUM."""

from decimal import Decimal
from typing import Any

from fhir.invariants import UCUM
from hl7.facts import Numeric
from hl7.types import Concept

Json = dict[str, Any]
# How senders spell units, where UCUM spells them otherwise.
_SPELLED = {
    "ml": "mL",
    "cc": "mL",
    "l": "L",
    "sec": "s",
    "secs": "s",
    "mins": "min",
    "hr": "h",
    "hrs": "h",
    "degree": "deg",
    "degrees": "deg",
    "°": "deg",
    "°C": "Cel",
    "C": "Cel",
    "HU": "[hnsf'U]",
    "bpm": "/min",
    "mmHg": "mm[Hg]",
    "mm Hg": "mm[Hg]",
    "percent": "%",
    "mGy*cm": "mGy.cm",
    "mGycm": "mGy.cm",
    "mGy cm": "mGy.cm",
    "dGy*cm2": "dGy.cm2",
    "cGy*cm2": "cGy.cm2",
    "Gy*m2": "Gy.m2",
    "uGy*m2": "uGy.m2",
    "µGy*m2": "uGy.m2",
    "mAs": "mA.s",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "in": "[in_i]",
    "yr": "a",
    "yrs": "a",
    "years": "a",
    "weeks": "wk",
    "days": "d",
}
# What is spelled as UCUM does, whether or not the sender says so.
_KNOWN = frozenset(
    {"mm", "cm", "m", "mL", "L", "g", "mg", "ug", "kg", "s", "ms", "min", "h", "d", "wk", "mo"}
    | {"a", "%", "deg", "Cel", "mGy", "cGy", "Gy", "mSv", "Sv", "MBq", "GBq", "Bq", "mGy.cm"}
    | {"dGy.cm2", "cGy.cm2", "Gy.m2", "uGy.m2", "mm2", "cm2", "m2", "mm3", "cm3", "m3", "/min"}
    | {"mL/s", "mL/min", "L/min", "cm/s", "m/s", "mmol/L", "mg/dL", "mg/L", "g/L", "g/dL", "kPa"}
    | {"mm[Hg]", "kV", "mA", "mA.s", "kg/m2", "mL/kg", "mL/m2", "g/m2", "Hz", "MHz", "T"}
    | {"g/cm2", "mg/cm3", "[hnsf'U]"}
)
_COMPARATORS = frozenset({"<", "<=", ">", ">="})


def numeric(told: Numeric, units: Concept) -> Json:
    """A number as the value[x] member of an Observation; text where R4 has no form for it."""
    first, unit = Decimal(told.number), unit_of(units)
    if not told.separator:
        if told.comparator in ("", "=", *_COMPARATORS):
            return {"valueQuantity": _quantity(first, unit, told.comparator)}
    elif not told.comparator and told.separator == "-":
        second = Decimal(told.second)
        if first <= second:
            return {
                "valueRange": {"low": {"value": first} | unit, "high": {"value": second} | unit}
            }
    elif not told.comparator and not unit:
        parts = {"numerator": first, "denominator": Decimal(told.second)}
        return {"valueRatio": {name: {"value": value} for name, value in parts.items()}}
    return {"valueString": spelled(told, units)}


def spelled(told: Numeric, units: Concept) -> str:
    """A number as its sender wrote it, with its unit."""
    number = f"{told.comparator}{told.number}{told.separator}{told.second}"
    return f"{number} {units.code or units.text}".strip()


def unit_of(units: Concept) -> Json:
    """The members of a Quantity that tell its unit: in UCUM where that is sure."""
    code = units.code.strip()
    if not code:
        return {"unit": units.text} if units.text else {}
    told = next((one for one in units.codings if one.code), None)
    declared = told is not None and told.system.upper() in ("UCUM", "2.16.840.1.113883.6.8")
    ucum = _SPELLED.get(code, code)
    if ucum in _KNOWN or (declared and code not in _SPELLED):
        return {"unit": units.text or code, "system": UCUM, "code": "".join(ucum.split())}
    return {"unit": units.text or code}


def _quantity(value: Decimal, unit: Json, comparator: str) -> Json:
    compared = {"comparator": comparator} if comparator in _COMPARATORS else {}
    return {"value": value, **compared, **unit}
