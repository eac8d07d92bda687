"""Numbers as ranges to search in: what a stored quantity may be, and what a search asks for (R4 3.1.1.4.13).

Both are worked out as they are spelled, in decimals, and compared as the floats nearest to them.
"""

import math
import re
from decimal import Decimal

from fhir.errors import BadNumber

# Nothing that has a number lies outside.
LEAST, MOST = -1.7976931348623157e308, 1.7976931348623157e308
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST = 40


def range_of(value: Decimal | float, comparator: str) -> tuple[float, float]:
    """The least and the greatest that a quantity may be: `<5` is anything below 5."""
    number = _float(Decimal(value))
    return {
        "<": (LEAST, math.nextafter(number, -math.inf)),
        "<=": (LEAST, number),
        ">": (math.nextafter(number, math.inf), MOST),
        ">=": (number, MOST),
    }.get(comparator, (number, number))


def asked(text: str, prefix: str) -> tuple[float, float]:
    """The range that a search asks for, up to but not including its end; BadNumber if it is none.

    To equal a number is to be it as precisely as it is spelled: 100 is 99.5 to 100.5. All other
    prefixes compare with exactly the number, which is both ends.
    """
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        raise BadNumber("expected a number")
    number = Decimal(text)
    if prefix not in ("eq", "ne", "ap"):
        return _float(number), _float(number)
    half = _half(number)
    if prefix == "ap":
        half = max(half, abs(number) / 10)
    return _float(number - half), _float(number + half)


def _half(number: Decimal) -> Decimal:
    """Half of the last digit; R4 reads 1e2 as 95 to 105, not as 50 to 150."""
    exponent = int(number.as_tuple().exponent)
    return Decimal(5).scaleb(exponent - (2 if exponent > 0 else 1))


def _float(number: Decimal) -> float:
    return min(max(float(number), LEAST), MOST)
