"""A real browser for tests: Debian's Chromium, driven from outside and kept on loopback."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.tree import ROOT

CHROMIUM = Path("/usr/bin/chromium")
AXE = ROOT / ".peers" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
SHOTS = "TRIPTYCH_SCREENSHOTS"
# No service of the browser's maker is asked for anything, and no name leads off this machine.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_PATIENCE = 20_000
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_LOCAL = {"about", "blob", "data", "file"}


@dataclass(slots=True)
class Window:
    """A browser window of its own cookies, and what went wrong in it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect_refusals(self, *statuses: int) -> None:
        """Let answers of these statuses be no problem: this test provokes them."""
        self.expected += [f"responded with a status of {status} " for status in statuses]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(one in message.text for one in self.expected):
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _LOCAL and parts.hostname not in _LOOPBACK:
            self.problems.append(f"left loopback: {parts.scheme}://{parts.netloc}")

    def watch(self) -> None:
        """Note every error and every request from now on, of windows that it opens too."""
        context = self.page.context
        context.on("console", lambda message: self._console(message))
        context.on("request", lambda request: self._asked(request.url))
        context.on("weberror", lambda error: self.problems.append(f"page: {error.error}"))
        self.page.on("crash", lambda _: self.problems.append("the page crashed"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a screen; skips where it is missing."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: run `make peers`")
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Window]:
    """A window for the length of a block, which fails if anything went wrong in it."""
    context = browser.new_context(locale="en-GB", **options)
    try:
        context.set_default_timeout(_PATIENCE)
        made = Window(context.new_page())
        made.watch()
        yield made
    finally:
        context.close()
    if made.problems:
        pytest.fail("in the browser: " + "; ".join(made.problems))


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page, where TRIPTYCH_SCREENSHOTS names a folder for them."""
    folder = os.environ.get(SHOTS)
    if folder:
        Path(folder, f"{name}.png").write_bytes(page.screenshot(full_page=True))


def barriers(page: Page, *rules: str) -> list[str]:
    """What axe-core finds that keeps people out (WCAG 2.2 A and AA, and good practice).

    Rules named are the only ones that it looks at.
    """
    if not AXE.exists():
        pytest.skip(f"{AXE.relative_to(ROOT)} is missing: run `make peers`")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    # Style sheets are read by the browser alone: axe would fetch them, which pages on a disc forbid.
    only = {"preload": False} | ({"runOnly": [*rules]} if rules else {})
    found = page.evaluate("async (only) => (await axe.run(only)).violations", only)
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}: {node.get('failureSummary', '')}"
        for one in found
        for node in one["nodes"]
    ]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def enlarge_text(page: Page) -> None:
    """Show text at 200 % (WCAG 1.4.4), as a reader's own setting would."""
    page.evaluate("document.documentElement.style.fontSize = '200%'")


def labels(page: Page) -> list[str]:
    """The words of everything that can be focused, in the order of the Tab key."""
    words = []
    for _ in range(60):
        page.keyboard.press("Tab")
        word = page.evaluate(_FOCUSED)
        if not word or word in words:
            break
        words.append(re.sub(r"\s+", " ", word).strip())
    return words


_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return "";
  const label = one.labels && one.labels[0];
  return (label || one).innerText || one.value || one.name || one.tagName;
}"""
