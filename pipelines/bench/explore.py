"""`dcign bench explore`: how long after a slider's move the decoded image stands on the page, in a real browser: on the
explorer's page, and on the one that `dcign export` writes."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import click
import numpy as np

from dcign.errors import BadInput, Failure
from pipelines.bench.measuring import JSON_OUTPUT, write_json

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# From the moment the browser got the key to the frame after the canvas was drawn, ms
WATCH = """
window.latencies = [];
let moved = null;
addEventListener("input", (event) => (moved = event.timeStamp), true);
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...words) {
  put.apply(this, words);
  if (this.canvas.id === "decoded" && moved !== null) {
    const start = moved;
    moved = null;
    requestAnimationFrame(() => window.latencies.push(performance.now() - start));
  }
};
"""
DRAWN = """before => new Promise((resolve) => {
  const look = () => (latencies.length > before ? resolve() : requestAnimationFrame(look));
  look();
})"""
# ms between drawn and next move
PACES = {"explore, one after another": 0, "explore, each while the true picture is drawn": 200}
EXPORTED = "exported page, one after another"


@click.command(name="explore", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--moves", type=click.IntRange(min=10), default=40, help="Of each slider, at each pace.")
@click.option("--assets", metavar="PATH", type=click.Path(path_type=Path), show_default="the built-in model",
              help="The models that RUN was trained on.")  # fmt: skip
@JSON_OUTPUT
def command(run: Path, moves: int, assets: Path | None, output: Path | None) -> None:
    """Move the sliders of `dcign explore RUN` and of the page of `dcign export RUN` by keyboard, in headless Chromium,
    and time the pictures.

    The time runs from the input event, as the browser stamps it, to the frame in which the decoded image is drawn. At
    the second pace each move comes as the renderer draws the true picture of the one before. Needs Chromium and the
    package playwright.

    \b
    Example:
      dcign bench explore run/ -o explore.json
    """
    with chromium() as browser:
        with explorer(run, assets) as address:
            page = _opened(browser, address)
            page.locator("#save:enabled, #message:not(:empty)").first.wait_for()
            if page.locator(".with-truth").count() == 0:
                raise BadInput(f"{run}: expected a run whose objects can be drawn; --assets PATH names its models")
            page.locator("#save:enabled").wait_for()
            times = {pace: _move_all(page, moves, pause) for pace, pause in PACES.items()}
        with exported_page(run, assets) as address:
            page = _opened(browser, address)
            page.locator("#save:enabled").wait_for()
            times[EXPORTED] = _move_all(page, moves, 0)
        version = browser.version
    found = {pace: _summary(each) for pace, each in times.items()}
    document = {
        "run": str(run), "moves": moves, "latency_ms": found, "browser": version, "cores": os.cpu_count(),
        "python": platform.python_version(), "machine": platform.platform(),
    }  # fmt: skip
    click.echo(f"{'':<48}{'moves':>8}{'p50 ms':>10}{'p95 ms':>10}{'most ms':>10}")
    for pace, each in found.items():
        click.echo(f"{pace:<48}{each['moves']:>8}{each['p50']:>10.1f}{each['p95']:>10.1f}{each['most']:>10.1f}")
    write_json(output, document)


@contextmanager
def chromium() -> Iterator[Any]:
    """Open a headless Chromium, playwright's `Browser`. BadInput where it or the package playwright is missing."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise BadInput(f"a browser is needed: expected one of {', '.join(BROWSERS)}, found none")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BadInput("the package playwright is needed; pip install 'dcign[dev]'") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _opened(browser: Any, address: str) -> Any:
    page = browser.new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    return page


@contextmanager
def exported_page(run: Path, assets: Path | None) -> Iterator[str]:
    """Serve the page of `dcign export` from a plain web server; gives its address."""
    with TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pipelines.cli", "export", str(run), "-o", folder]
        subprocess.run([*words, *([] if assets is None else ["--assets", str(assets)])], check=True)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder))
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Silent(SimpleHTTPRequestHandler):
    """A web server without a log."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def explorer(run: Path, assets: Path | None) -> Iterator[str]:
    """Run `dcign explore` in a process of its own, as users have it; gives its address."""
    words = [sys.executable, "-m", "pipelines.cli", "explore", str(run), "--port", "0"]
    words += [] if assets is None else ["--assets", str(assets)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next((line.split()[0] for line in process.stdout if line.startswith("http")), None)
        if address is None:
            raise Failure(f"dcign explore {run} did not start")
        yield address
    finally:
        process.terminate()
        process.wait()


def _move_all(page: Any, moves: int, pause: int) -> list[float]:
    """Milliseconds of `moves` steps of each slider, there and back."""
    for slider in page.locator("input[type=range]").all():
        slider.focus()
        for k in range(moves):
            before = page.evaluate("latencies.length")
            page.keyboard.press("ArrowRight" if k % 20 < 10 else "ArrowLeft")
            page.evaluate(DRAWN, before)
            page.wait_for_timeout(pause)
    times: list[float] = page.evaluate("latencies.splice(0)")
    return times


def _summary(times: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(times, (50, 95))
    return {"moves": len(times), "p50": float(p50), "p95": float(p95), "most": max(times)}
