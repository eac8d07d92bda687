"""Somebody at the desk: a browser without script, signed in, that fills in the forms of its pages."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests

from tests.support.holder import words
from tests.support.smart_app import Form, Person, forms


@dataclass(slots=True)
class Clerk:
    """A person who has signed in with a role."""

    person: Person

    def get(self, path: str) -> requests.Response:
        """Go to an address of the server, and nowhere further."""
        there = self.person.server.base + path
        return self.person.http.get(there, allow_redirects=False, timeout=60)

    def page(self, path: str) -> str:
        """What a page says."""
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {words(answer)}"
        return words(answer)

    def post(self, path: str, **fields: Any) -> requests.Response:
        """Send a form, and do not follow a redirect."""
        there = self.person.server.base + path
        return self.person.http.post(there, data=fields, allow_redirects=False, timeout=60)

    def form(self, path: str, action: str) -> Form:
        """The form of a page that goes to an address."""
        page = self.get(path)
        return next(one for one in forms(page) if urljoin(path, one.action) == action)

    def submit(self, path: str, action: str, **given: Any) -> requests.Response:
        """Fill in a form of a page and send it."""
        filled = self.form(path, action).filled(**given)
        there = self.person.server.base + action
        return self.person.http.post(there, data=filled, allow_redirects=False, timeout=60)


def links(answer: requests.Response, pattern: str) -> list[str]:
    """The addresses of a page's links that a pattern finds."""
    return [one for one in re.findall(r'href="([^"]+)"', answer.text) if re.search(pattern, one)]
