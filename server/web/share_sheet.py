"""A sheet to print and hand over with a Magic Link: it leads there, and tells nothing else.

The name, the kind of examination and the answer are not on it: it may be lost, or lie about.
"""

from markupsafe import Markup

from server.flows import qr
from server.flows.links import Made
from server.web import pages
from server.web.share_texts import spoken


def page(made: Made, factor: str, language: str, phone: str) -> str:
    """The sheet as HTML that needs nothing else."""
    values = {
        "made": made,
        "factor": factor,
        "phone": phone,
        "code_address": made.url.rpartition("/")[0] + "/",
        "qr": Markup(qr.svg(made.url)),  # noqa: S704 - our own picture of our own address
    }
    return pages.templates().get_template("link_sheet.html").render(spoken(language) | values)
