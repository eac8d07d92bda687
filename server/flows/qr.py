"""A QR code, of a link or a secret for a phone, as an SVG picture that stands alone."""

from io import BytesIO

import segno


def svg(address: str, title: str = "Link") -> str:
    """A code that a phone's camera reads from paper; middling error correction (ISO 18004)."""
    out = BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", scale=4, border=4, xmldecl=False, svgns=True, title=title, omitsize=False
    )
    return out.getvalue().decode()
