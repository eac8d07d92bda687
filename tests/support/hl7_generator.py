"""Well-formed HL7 v2 messages with known content, and mutants of them, for property tests."""

from dataclasses import dataclass

from hypothesis import strategies as st

# A leaf, a component of leaves, a repetition of components, a field of repetitions.
Repetition = list[list[str]]
Field = list[Repetition]

LETTERS = {
    "ASCII": "aZ09 .,-'()",
    "8859/1": "aZ09 éÜß",
    "8859/15": "aZ09 €œ",
    "UNICODE UTF-8": "aZ09 é中😀",
    "GB 18030-2000": "aZ09 中乗",
    "ISO IR87": "aZ09 日本漢",
    "BIG-5": "aZ09 功許",
}
CODECS = {
    "ASCII": "ascii",
    "8859/1": "latin_1",
    "8859/15": "iso8859_15",
    "UNICODE UTF-8": "utf_8",
    "GB 18030-2000": "gb18030",
    "ISO IR87": "iso2022_jp",
    "BIG-5": "big5",
}


@dataclass(frozen=True)
class Content:
    """What a message says: its delimiters (MSH-1 and MSH-2), and segments of fields by name."""

    delimiters: str
    charset: str
    terminator: bytes
    segments: list[tuple[str, list[Field]]]

    def escaped(self, leaf: str) -> str:
        """Write a leaf so that no delimiter is taken for one."""
        field, component, repetition, escape, sub = tuple(self.delimiters[:5])
        letters = {field: "F", component: "S", sub: "T", repetition: "R", escape: "E"}
        return "".join(f"{escape}{letters[c]}{escape}" if c in letters else c for c in leaf)

    def pack(self) -> bytes:
        """Write the message as bytes."""
        field = self.delimiters[0]
        header = ["MSH", self.delimiters[1:], *[""] * 5, "20260101", "ORU", "1", "P", "2.5.1"]
        lines = [field.join([*header, *[""] * 5, self.charset])]
        lines += [
            field.join([name, *(self._field(one) for one in fields)])
            for name, fields in self.segments
        ]
        codec = CODECS[self.charset]
        return b"".join(line.encode(codec) + self.terminator for line in lines)

    def _field(self, repetitions: Field) -> str:
        _, component, repetition, _, sub = tuple(self.delimiters[:5])
        return repetition.join(
            component.join(sub.join(self.escaped(leaf) for leaf in part) for part in parts)
            for parts in repetitions
        )


def fields(letters: str) -> st.SearchStrategy[list[Field]]:
    """Draw the fields of one segment."""
    leaf = st.text(alphabet=letters, max_size=6)
    component = st.lists(leaf, min_size=1, max_size=3)
    repetition = st.lists(component, min_size=1, max_size=3)
    return st.lists(st.lists(repetition, min_size=1, max_size=2), min_size=1, max_size=4)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Draw a message: any delimiters, any character set, any terminator, any segments."""
    usual, rare = "|^~\\&#", "!$%*+@`{}"
    delimiters = draw(st.sampled_from([usual[:5], usual, *map("".join, [rare[:5], rare[3:8]])]))
    charset = draw(st.sampled_from(sorted(CODECS)))
    name = st.from_regex(r"[A-LN-Z][A-Z0-9]{2}", fullmatch=True)
    drawn = fields(LETTERS[charset] + delimiters)
    segments = draw(st.lists(st.tuples(name, drawn), max_size=5))
    terminator = draw(st.sampled_from([b"\r", b"\n", b"\r\n"]))
    return Content(delimiters, charset, terminator, segments)


def mutants(sources: list[bytes]) -> st.SearchStrategy[bytes]:
    """Draw a sound message with a few bytes changed, cut, repeated or inserted."""
    change = st.tuples(
        st.integers(0, 5),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 40),
        st.sampled_from(
            [b"\r", b"\n", b"|", b"^", b"~", b"\\", b"&", b"\x0b", b"\x1c", b'""', b"\xff"]
        ),
    )
    return st.builds(_mutate, st.sampled_from(sources), st.lists(change, min_size=1, max_size=4))


def _mutate(source: bytes, changes: list[tuple[int, float, int, bytes]]) -> bytes:
    data = bytearray(source)
    for kind, place, length, inserted in changes:
        at = int(place * len(data))
        if kind <= 1:
            data[at : at + length] = b""
        elif kind == 2:
            data[at:at] = data[max(0, at - length) : at]
        elif kind == 3:
            data = data[:at] if at > 20 else data
        else:
            data[at : at + kind - 4] = inserted
    return bytes(data)
