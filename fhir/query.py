"""A search as it was understood: what `fhir.search` makes of a query string, for the store to answer.

Conditions stand beside each other as AND; the values of a criterion and the branches of a chain
are OR. Everything is compared with rows of `fhir.extract` and columns, never with text again.
"""

from dataclasses import dataclass
from typing import Literal

from fhir.search_params import Param

Prefix = Literal["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"]


@dataclass(frozen=True, slots=True)
class TokenValue:
    """`system` None means any, "" means none; `code` "" means any code of the system.

    With :text only `text` counts: it begins a word of the row's text.
    """

    system: str | None
    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class StringValue:
    """The folded text for starts-with and :contains, the text as given for :exact."""

    norm: str
    exact: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A prefix and the range from low up to, not including, high, in microseconds (UTC).

    With [l, h) of this value and [L, H) of a row: eq l<=L and H<=h, ne not eq, gt H>h, lt L<l,
    ge H>h or eq, le L<l or eq, sa L>=h, eb H<=l, ap L<h and H>l (the range is already widened).
    """

    prefix: Prefix
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """A resource of ours by type ("" means any target) and id, or any other by its address."""

    type: str
    id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class UriValue:
    """A URI; with :below and :above its beginnings and continuations count too."""

    value: str


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A prefix, the number and its unit: `system` None means any, `code` "" too.

    With [l, h) of this value, as wide as its precision, and [L, H] of a row: eq l<=L and H<h, ne
    not eq, ap L<h and H>=l (the range is already widened). Any other prefix compares with exactly
    the number, so that l is h: gt H>l, lt L<l, ge H>=l, le L<=l, sa L>l, eb H<l.
    """

    prefix: Prefix
    low: float
    high: float
    system: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class PairValue:
    """Two values that one element must meet together."""

    first: TokenValue | ReferenceValue
    second: TokenValue | StringValue | DateValue | QuantityValue


Value = TokenValue | StringValue | DateValue | ReferenceValue | UriValue | QuantityValue | PairValue


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter with its modifier. `rows` is the name its index rows go by.

    `missing` is set for the modifier :missing only, and then there are no values.
    """

    param: Param
    modifier: str
    values: tuple[Value, ...]
    rows: str
    missing: bool | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The resource refers, by a reference parameter, to one that meets the condition of its type."""

    param: Param
    branches: tuple[tuple[str, "Condition"], ...]


@dataclass(frozen=True, slots=True)
class Reverse:
    """`_has`: a resource of `type` that meets the condition refers to this one by `param`."""

    type: str
    param: Param
    condition: "Condition"


Condition = Criterion | Chain | Reverse


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: follow `param` of `source`; param None means every reference."""

    source: str
    param: Param | None
    target: str = ""
    iterate: bool = False
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of the order; resources without a value come last ascending, first descending."""

    param: Param
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Warn:
    """What was ignored or changed, for the outcome entry of the answer: never a patient's data."""

    code: str
    message: str
    expression: str


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search. `used` are the parameters for the self link, as they were understood."""

    type: str
    conditions: tuple[Condition, ...] = ()
    includes: tuple[Include, ...] = ()
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    total: Literal["", "none", "estimate", "accurate"] = ""
    summary: Literal["", "true", "text", "data", "count", "false"] = ""
    elements: tuple[str, ...] = ()
    cursor: str = ""
    used: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Warn, ...] = ()
