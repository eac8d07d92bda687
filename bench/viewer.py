"""The viewer in Chromium: from opening a page to a picture on its canvas, and from a sender to a page that waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench import objects, sender
from bench.harness import Contender, Line, Row, Run, Scale, compare, percentile, say
from bench.objects import Numbers, draw, uid
from bench.stand import Ours, Stand

FIRST = Row("viewer-first", "Viewer on a phone, to its first picture", "ms", True, most=2000)
LIVE = Row("viewer-live", "Viewer on a phone, to the whole page", "ms", True)
AGAIN = Row("viewer-again", "Viewer on a phone, opened again", "ms", True)
DESKTOP = Row("viewer-desktop", "Viewer on a desktop, to its first picture", "ms", True)
WAITING = Row(
    "viewer-waiting", "C-STORE to a picture on a page that waits, p95", "ms", True, most=1000
)
ROWS = (FIRST, LIVE, AGAIN, DESKTOP, WAITING)

_CHROMIUM = Path("/usr/bin/chromium")
_PATIENCE = 30_000
_SLICES, _FEW = 60, 10
# A mid-range phone: its screen, its processor, its line.
_SCREEN: dict[str, Any] = {"viewport": {"width": 412, "height": 860}, "device_scale_factor": 2}
_SLOWER = 4
_LINE = {"offline": False, "latency": 40, "downloadThroughput": 1.25e6, "uploadThroughput": 1.25e6}
# Notes when a picture first stood on the page: its pixels are looked at, no event is trusted.
_WATCH = """
sessionStorage.setItem("triptych.noticed", "yes");
(function look() {
  const canvas = document.querySelector("canvas");
  if (canvas?.width > 300) {
    const row = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, 1).data;
    if (row.some((value, at) => at % 4 === 0 && value > 60)) {
      window.benchDrawn ??= performance.now();
      if (document.querySelector("[data-shown]:not([data-shown=''])")) window.benchLive ??= performance.now();
    }
  }
  const poster = document.querySelector(".poster img");
  if (poster?.complete && poster.naturalWidth) window.benchDrawn ??= performance.now();
  if (!window.benchLive) requestAnimationFrame(look);
})();
"""


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for; none where there is no Chromium."""
    if not _CHROMIUM.exists():
        say("Chromium is missing: no row of the viewer (make peers)")
        return
    with _browser() as browser:
        bench = _Bench(stand.ours(), browser, scale)
        for row in ROWS:
            if row in rows:
                yield compare(row, scale.repeats, [bench.contender(row)])


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


class _Bench:
    """One server with a stack of CT slices, and pages that open it."""

    def __init__(self, ours: Ours, browser: Browser, scale: Scale) -> None:
        self._ours, self._browser = ours, browser
        self._template = draw(objects.LARGE)
        self._numbers = Numbers()
        self._visits = max(1, scale.calls // 100)
        (self._study,) = self._numbers.take()
        self._send(self._study, _SLICES)

    def contender(self, row: Row) -> Contender:
        """What measures a row."""
        measures = {
            FIRST: lambda: self._opened("benchDrawn"),
            LIVE: lambda: self._opened("benchLive"),
            AGAIN: lambda: self._opened("benchLive", again=True),
            DESKTOP: lambda: self._opened("benchDrawn", phone=False),
            WAITING: self._waited,
        }
        return Contender(measures[row], self._ours.role("web"))

    def _send(self, study: int, slices: int) -> None:
        first = self._numbers.take(slices)
        queue = [(study, number) for number in first]
        sender.send(self._ours.ports["dimse"], self._template, [queue])

    def _address(self, study: int) -> str:
        return f"{self._ours.base}/apps/viewer/?study={uid(objects.STUDY, study)}"

    @contextmanager
    def _page(self, *, phone: bool = True) -> Iterator[Page]:
        """A window with nothing in its cache, as slow as a phone or as it is."""
        options: dict[str, Any] = _SCREEN if phone else {}
        context = self._browser.new_context(extra_http_headers=self._ours.bearer, **options)
        try:
            page = context.new_page()
            page.add_init_script(_WATCH)
            if phone:
                tools = context.new_cdp_session(page)
                tools.send("Network.enable")
                tools.send("Network.emulateNetworkConditions", _LINE)
                tools.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWER})
            yield page
        finally:
            context.close()

    def _opened(self, what: str, *, phone: bool = True, again: bool = False) -> Run:
        """The median of some visits, each with a browser that has seen nothing, or this page once."""
        found = []
        for _ in range(self._visits):
            with self._page(phone=phone) as page:
                found.append(_visit(page, self._address(self._study), what))
                if again:
                    found[-1] = _visit(page, self._address(self._study), what)
        return Run(percentile(found, 0.5), len(found))

    def _waited(self) -> Run:
        """A page waits for a study; a sender begins; the page shows a picture while it goes on."""
        found = []
        for study in self._numbers.take(4 * self._visits):
            with self._page(phone=False) as page:
                page.goto(f"{self._address(study)}&wait=yes")
                page.locator("#arriving:not(:empty)").wait_for(timeout=_PATIENCE)
                start = time.time()
                self._send(study, _FEW)
                page.wait_for_function("() => window.benchDrawn")
                drawn = page.evaluate("performance.timeOrigin + window.benchDrawn")
                found.append(drawn - 1000 * start)
        return Run(percentile(found, 0.95), len(found))


def _visit(page: Page, address: str, what: str) -> float:
    """Milliseconds from the beginning of a visit until a picture was drawn, or the page was live."""
    page.goto(address)
    page.locator("[data-shown]:not([data-shown=''])").wait_for(timeout=_PATIENCE)
    page.wait_for_function("() => window.benchLive")
    return float(page.evaluate(f"window.{what}"))
