"""A headless Chromium for tests of pages, driven by Playwright; such tests skip, saying why, where either is absent."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
READ_BACK = """canvas => {
  const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  const grey = Array.from({length: width * height}, (_, i) => String.fromCharCode(data[4 * i]));
  return [height, width, btoa(grey.join(""))];
}"""


@contextmanager
def chromium() -> Iterator[object]:
    """A Playwright `Browser`: Debian's Chromium, or what the environment variable CHROMIUM names."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed: apt install chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser, address: str, **context) -> Iterator[object]:
    """A `Page` at `address` in a context of its own; what it prints as errors to its console fails the test at the end.

    `context` goes to `browser.new_context`: viewport=PHONE, has_touch=True, permissions=["clipboard-read"].
    """
    with browser.new_context(**{"viewport": WIDE, **context}) as opened:
        page = opened.new_page()
        page.set_default_timeout(60_000)  # for busy machines
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("requestfailed", lambda request: problems.append(f"{request.url} {request.failure}"))
        page.problems = problems
        page.goto(address)
        yield page
        assert problems == []


def canvas_grey(page, selector: str) -> np.ndarray:
    """The pixels of a canvas, (H, W) uint8: its red channel."""
    height, width, values = page.locator(selector).evaluate(READ_BACK)
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width)


def scrolls_sideways(page) -> bool:
    """Whether the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
