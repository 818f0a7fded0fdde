"""The files of the pages with sliders, the explorer and the exported one: HTML, styles, scripts, and what they load.

`read_web_file` puts the colours of the reports before their style.
"""

from __future__ import annotations

from importlib import resources

STYLE = "page.css"


def read_web_file(name: str) -> bytes:
    """Return the content of a file below `pipelines/web/`; the style of both pages begins with the palette."""
    content = resources.files("pipelines").joinpath("web", *name.split("/")).read_bytes()
    if name == STYLE:
        palette = resources.files("dcign").joinpath("report", "palette.css").read_bytes()
        content = palette + content
    return content
