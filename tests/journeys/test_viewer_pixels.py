"""The viewer's own grey levels are those of the server's pictures, file by file, within one level."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import window
from tests.support.dicom_samples import SAMPLES, bundled_paths, shared_records
from tests.support.keyring import keyring
from tests.support.server import Server, running

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.browser]

# Per instance: its first frame as its own window, a linear and a sigmoid one show it. Pixels that are
# not square come from the server in another size: of them the shape is compared.
_COMPARE = """async () => {
  const { ask } = await import("/apps/viewer/api.js");
  const { framesOf, seriesOf, studies, withTables } = await import("/apps/viewer/studies.js");
  const { extent, samples, table } = await import("/apps/viewer/pixels.js");
  const WINDOWS = [null, { center: 100, width: 300, shape: "linear" }, { center: 60, width: 90.5, shape: "sigmoid" }];

  async function rendered(frame, window) {
    const words = window ? `?window=${window.center},${window.width},${window.shape}` : "";
    const answer = await ask(`${frame.address}/rendered${words}`, "image/png");
    const image = await createImageBitmap(await answer.blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  }

  async function judged(frame) {
    const first = await rendered(frame, null);
    if (!frame.grey) return "server";
    const shape = [frame.columns / Math.min(1, frame.aspect), frame.rows * Math.max(1, frame.aspect)];
    if (Math.abs(frame.aspect - 1) > 0.01)
      return Math.abs(first.width - shape[0]) + Math.abs(first.height - shape[1]) < 2 ? "shape" : "wrong shape";
    const grey = await withTables(frame.grey);
    const bytes = await (await ask(frame.address, "application/octet-stream")).arrayBuffer();
    const pixels = samples(bytes, grey, frame.rows * frame.columns);
    let worst = 0;
    for (const window of WINDOWS) {
      const { data } = window ? await rendered(frame, window) : first;
      const levels = table(grey, window, extent(pixels, grey));
      for (let at = 0; at < pixels.length; at++)
        worst = Math.max(worst, Math.abs(levels[pixels[at]] - data[4 * at]));
    }
    return worst;
  }

  const found = [];
  for (const study of await studies()) for (const series of await seriesOf(study.uid)) {
    for (const frame of (await framesOf(series)).filter(({ number }) => number === 1)) {
      const words = `${series.modality} ${frame.columns}x${frame.rows} ${frame.instance}`;
      found.push([words, await judged(frame).catch((error) => error.kind ?? String(error))]);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


def imported(server: Server, paths: list[Path]) -> None:
    """Import files as an operator would."""
    made = server.run("import", *map(str, paths), check=False)
    assert '"accepted"' in made.stdout, made.stderr


def compared(browser: Browser, server: Server) -> dict[str, Any]:
    """What the browser found, by instance."""
    with keyring(server) as keys:
        token = keys.token("system/*.rs")
    headers = {"Authorization": f"Bearer {token}"}
    with window(browser, extra_http_headers=headers) as one:
        one.expect_refusals(404, 406, 413)
        return dict(_found(one.page, server))


def _found(page: Page, server: Server) -> list[tuple[str, Any]]:
    page.goto(f"{server.base}/apps/viewer/icon.svg")
    found: list[tuple[str, Any]] = page.evaluate(_COMPARE)
    return found


def test_the_viewer_and_the_server_agree_within_one_grey_level(
    server: Server, browser: Browser
) -> None:
    """The first frame of every picture, of those at hand and of the shared set."""
    small = [path for path in bundled_paths() if path.stat().st_size < 300_000]
    imported(server, [path for path in small if "dicomdirtests" not in str(path)])
    if shared_records():
        imported(server, [Path(SAMPLES, record["path"]) for record in every()])
    found = compared(browser, server)
    levels = {name: worst for name, worst in found.items() if isinstance(worst, int)}
    assert len(levels) > 15
    assert {name: worst for name, worst in levels.items() if worst > 1} == {}
    told = {worst for worst in found.values() if isinstance(worst, str)}
    assert told <= {"server", "shape", "missing", "undecodable"}, found


def every() -> list[dict[str, Any]]:
    """The records of all pictures of the shared set that are good DICOM."""
    return [one for one in shared_records() if one.get("has_pixels") and one["verdict"] == "accept"]
