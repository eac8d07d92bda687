"""Text: what FHIR strings may hold, and the folded form in which text is compared and found."""

import unicodedata

_KEPT = "\t\n\r"
_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in _KEPT}


def clean(text: str) -> str:
    """Text without the control characters that R4 strings exclude and without outer blanks."""
    return text.translate(_CONTROLS).strip()


def fold(text: str) -> str:
    """Text as searches compare it: no case, no accents, one blank between words (R4 3.1.1.4.10)."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.split())
