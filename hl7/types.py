"""The data types of HL7 v2 as frozen facts, each with its reader (HL7 2.5.1 ch. 2A).

Text is unescaped and trimmed; what was not sent, or sent as null, is "". Codes stay as sent.
"""

from dataclasses import dataclass

from hl7.message import Value
from hl7.moments import NEVER, Moment


def text_of(value: Value, number: int = 1, inner: int = 1) -> str:
    """The trimmed text of one leaf."""
    return value.text(number, inner).strip()


@dataclass(frozen=True, slots=True)
class Authority:
    """Who assigned a number, or which system or place it is: HD."""

    namespace: str = ""
    universal_id: str = ""
    universal_type: str = ""

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.namespace or self.universal_id)

    @classmethod
    def read(cls, value: Value, first: int = 1) -> "Authority":
        """Read HD, also one that is spread over three components from `first` on."""
        sent = range(first, min(first + 3, len(value.parts()) + 1)) if value else ()
        return cls(*(text_of(value, number) for number in sent)) if sent else NOBODY


NOBODY = Authority()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number of a person or visit: CX. `kind` is a code of table 0203."""

    value: str = ""
    authority: Authority = NOBODY
    kind: str = ""
    check_digit: str = ""
    check_scheme: str = ""
    facility: Authority = NOBODY
    start: Moment = NEVER
    end: Moment = NEVER

    def __bool__(self) -> bool:
        """Whether there is a number."""
        return bool(self.value)

    @classmethod
    def read(cls, value: Value) -> "Identifier":
        """Read CX."""
        if not value:
            return NO_NUMBER
        return cls(
            value=text_of(value, 1),
            authority=Authority.read(value.part(4)),
            kind=text_of(value, 5),
            check_digit=text_of(value, 2),
            check_scheme=text_of(value, 3),
            facility=Authority.read(value.part(6)),
            start=Moment.read(value.part(7)),
            end=Moment.read(value.part(8)),
        )


NO_NUMBER = Identifier()


@dataclass(frozen=True, slots=True)
class OrderNumber:
    """A number of an order, accession or procedure with who assigned it: EI."""

    value: str = ""
    authority: Authority = NOBODY

    def __bool__(self) -> bool:
        """Whether there is a number."""
        return bool(self.value)

    @classmethod
    def read(cls, value: Value) -> "OrderNumber":
        """Read EI, or the plain string that older versions have in its place."""
        return cls(text_of(value, 1), Authority.read(value, 2)) if value else NO_ORDER


NO_ORDER = OrderNumber()


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of a coding system (table 0396), with its display text."""

    code: str = ""
    text: str = ""
    system: str = ""
    version: str = ""

    def __bool__(self) -> bool:
        """Whether there is a code."""
        return bool(self.code)


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded element in up to three coding systems: CE, CWE, CNE, CF, IS, ID.

    `suffix` is the second subcomponent of the first code, which tells the part of a report.
    """

    codings: tuple[Coding, ...] = ()
    original_text: str = ""
    suffix: str = ""

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.codings or self.original_text)

    @property
    def code(self) -> str:
        """The first code."""
        return next((coding.code for coding in self.codings if coding.code), "")

    @property
    def text(self) -> str:
        """The sender's words: the original text, else the first or the second display text."""
        texts = (self.original_text, *(coding.text for coding in self.codings))
        return next((text for text in texts if text), "")

    @classmethod
    def read(cls, value: Value) -> "Concept":
        """Read a coded element; the third coding is that of 2.7."""
        if not value:
            return NOTHING_CODED
        sent = len(value.parts())
        codings = (
            Coding(*(text_of(value, number) for number in (first, first + 1, first + 2, version)))
            for first, version in ((1, 7), (4, 8), (10, 13))
            if first <= sent
        )
        return cls(
            codings=tuple(coding for coding in codings if coding.code or coding.text),
            original_text=text_of(value, 9),
            suffix=text_of(value, 1, 2),
        )


NOTHING_CODED = Concept()


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name: XPN. `kind` is a code of table 0200."""

    family: str = ""
    given: str = ""
    further: str = ""
    suffix: str = ""
    prefix: str = ""
    degree: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        """Whether there is a name."""
        return bool(self.family or self.given or self.further)

    @classmethod
    def read(cls, value: Value, first: int = 1, kind: int = 7) -> "PersonName":
        """Read XPN, also as a part of XCN, where it starts at component 2."""
        if not value:
            return NAMELESS
        places = (*range(first + 1, first + 6), kind)
        return cls(_family(value.part(first)), *(text_of(value, number) for number in places))


NAMELESS = PersonName()


def _family(value: Value) -> str:
    """FN: the surname, else its parts (own prefix, own surname)."""
    parts = (text_of(value, number) for number in (2, 3))
    return text_of(value, 1) or " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Person:
    """A professional with number and name: XCN, CNN."""

    number: Identifier = NO_NUMBER
    name: PersonName = NAMELESS

    def __bool__(self) -> bool:
        """Whether the person is known by number or name."""
        return bool(self.number or self.name)

    @classmethod
    def read(cls, value: Value) -> "Person":
        """Read XCN."""
        if not value:
            return NO_PERSON
        number = Identifier(
            value=text_of(value, 1),
            authority=Authority.read(value.part(9)),
            kind=text_of(value, 13),
            check_digit=text_of(value, 11),
            check_scheme=text_of(value, 12),
            facility=Authority.read(value.part(14)),
        )
        return cls(number, PersonName.read(value, first=2, kind=10))

    @classmethod
    def read_interpreter(cls, value: Value) -> "Person":
        """Read NDL, whose first component is a whole CNN; many senders write XCN in its place."""
        inner = value.part(1)
        if len(inner.parts()) < 2:
            in_place = not Moment.of(text_of(value, 2))
            return cls.read(value if in_place else inner)
        number = Identifier(text_of(inner, 1), Authority.read(inner, 9))
        return cls(number, PersonName.read(inner, first=2, kind=99))


NO_PERSON = Person()


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation: XON."""

    name: str = ""
    number: Identifier = NO_NUMBER

    def __bool__(self) -> bool:
        """Whether it is known by name or number."""
        return bool(self.name or self.number)

    @classmethod
    def read(cls, value: Value) -> "Organisation":
        """Read XON; its number moved from component 3 to 10 in 2.5."""
        if not value:
            return NO_ORGANISATION
        number = Identifier(
            value=text_of(value, 10) or text_of(value, 3),
            authority=Authority.read(value.part(6)),
            kind=text_of(value, 7),
            facility=Authority.read(value.part(8)),
        )
        return cls(text_of(value, 1), number)


NO_ORGANISATION = Organisation()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patient is: PL."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: Authority = NOBODY
    building: str = ""
    floor: str = ""
    description: str = ""

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.point_of_care or self.room or self.bed or self.facility)

    @classmethod
    def read(cls, value: Value) -> "Place":
        """Read PL."""
        if not value:
            return NOWHERE
        point_of_care, room, bed = (text_of(value, number) for number in (1, 2, 3))
        rest = (text_of(value, number) for number in (7, 8, 9))
        return cls(point_of_care, room, bed, Authority.read(value.part(4)), *rest)


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Address:
    """An address: XAD. `kind` is a code of table 0190."""

    street: str = ""
    other: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    kind: str = ""
    district: str = ""

    def __bool__(self) -> bool:
        """Whether there is an address."""
        return any((self.street, self.other, self.city, self.state, self.postcode, self.country))

    @classmethod
    def read(cls, value: Value) -> "Address":
        """Read XAD; a street split into name and number is put together."""
        return cls(
            _street(value.part(1)), *(text_of(value, number) for number in (2, 3, 4, 5, 6, 7, 9))
        )


def _street(value: Value) -> str:
    """SAD: the mailing address, and what it leaves out of the dwelling number and street name."""
    line, name, number = (text_of(value, each) for each in (1, 2, 3))
    left_out = (part for part in (number, name) if part and part not in line)
    return " ".join(part for part in (line, *left_out) if part)


@dataclass(frozen=True, slots=True)
class Contact:
    """A telephone number or e-mail address: XTN. Codes are of tables 0201 and 0202."""

    number: str = ""
    use: str = ""
    equipment: str = ""
    email: str = ""

    def __bool__(self) -> bool:
        """Whether there is a number or address."""
        return bool(self.number or self.email)

    @classmethod
    def read(cls, value: Value) -> "Contact":
        """Read XTN: the number as text, else unformatted, else put together from its parts."""
        country, area, local, extension = (text_of(value, number) for number in (5, 6, 7, 8))
        parts = [f"+{country.lstrip('+')}" if country else "", area, local]
        parts.append(f"x{extension}" if extension else "")
        assembled = " ".join(part for part in parts if part) if local or area else ""
        number = text_of(value, 1) or text_of(value, 12) or assembled
        email = text_of(value, 4)
        if "@" in number and not email:
            number, email = "", number
        return cls(number, text_of(value, 2), text_of(value, 3), email)
