"""The report on a phone, in a headless Chromium."""

import pytest
from browser_fixtures import PHONE, chromium, open_page, scrolls_sideways

from dcign.report.html import Chapter, Grid, page
from dcign.report.pages import _calibration_table
from dcign.report.rows import RENDERED


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def test_the_table_of_calibrations_is_not_cut(browser, tmp_path):
    curve = {"degrees": [-90.0, 90.0], "residual_degrees": 12.3, "explained": 0.987}
    circle = {"degrees": [0.0, 360.0], "residual_degrees": None, "explained": 1.0}
    table = _calibration_table({"azimuth": curve, "elevation": circle, "light": None}, RENDERED)
    path = tmp_path / "report.html"
    text = page("title", "", [], [Chapter("Calibration", [table])], "dcign", Grid((), []))
    path.write_text(text, encoding="utf-8")
    with open_page(browser, path.as_uri(), viewport=PHONE) as shown:
        assert not scrolls_sideways(shown)
        box = shown.locator(".wide").first
        assert box.locator("td").count() == 9
        assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
