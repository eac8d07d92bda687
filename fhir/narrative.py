"""The narrative of a resource: XHTML that formats and does nothing else (R4 narrative, txt-1, txt-2)."""

from xml.parsers import expat

NAMESPACE = "http://www.w3.org/1999/xhtml"
ELEMENTS = frozenset(
    {"a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "caption", "cite"}
    | {"code", "col", "colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4"}
    | {"h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "q", "samp", "small", "span"}
    | {"strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul"}
    | {"var"}
)
ATTRIBUTES = frozenset(
    {"abbr", "accesskey", "align", "alt", "axis", "border", "cellpadding", "cellspacing", "char"}
    | {"charoff", "charset", "cite", "class", "colspan", "coords", "dir", "frame", "headers"}
    | {"height", "href", "hreflang", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev"}
    | {"rowspan", "rules", "scope", "shape", "span", "src", "start", "style", "summary"}
    | {"tabindex", "title", "type", "valign", "value", "width", "xml:lang"}
)
ADDRESSES = frozenset({"href", "src", "cite", "longdesc"})
SILENT = "the narrative tells nothing"
SCHEMES = ("http:", "https:", "mailto:", "tel:", "data:image/")


class _Refused(Exception):
    """Something in the text that a narrative must not hold."""


def fault(div: str) -> str:
    """What is wrong with the text of a Narrative.div, or "" when it is harmless XHTML."""
    checks = _Checks()
    try:
        checks.run(div)
    except (_Refused, expat.ExpatError, ValueError) as error:
        return str(error) if isinstance(error, _Refused) else "the XHTML is not well-formed"
    return "" if checks.told else SILENT


class _Checks:
    """Walks the markup once; `told` is whether a reader sees anything."""

    def __init__(self) -> None:
        self.told = False
        self._depth = 0

    def run(self, text: str) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters
        parser.ProcessingInstructionHandler = self._instruction
        parser.Parse(text.encode(), True)

    def _doctype(self, *_: object) -> None:
        raise _Refused("a narrative has no document type")

    def _instruction(self, *_: object) -> None:
        raise _Refused("a narrative has no processing instructions")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        if namespace != NAMESPACE or tag not in ELEMENTS:
            raise _Refused("an element is not one of basic XHTML formatting")
        if self._depth == 0 and tag != "div":
            raise _Refused("the outermost element is not a div")
        self._depth += 1
        self.told = self.told or tag == "img"
        for key, value in attributes.items():
            _check_attribute(key.replace("http://www.w3.org/XML/1998/namespace ", "xml:"), value)

    def _characters(self, text: str) -> None:
        self.told = self.told or bool(text.strip())


def _check_attribute(name: str, value: str) -> None:
    if name not in ATTRIBUTES:
        raise _Refused("an attribute is not one of basic XHTML formatting")
    address = "".join(value.split()).lower()
    if name in ADDRESSES and ":" in address.split("/")[0] and not address.startswith(SCHEMES):
        raise _Refused("an address would run something")
    if name == "style" and ("expression(" in address or "url(" in address):
        raise _Refused("a style would fetch or run something")
