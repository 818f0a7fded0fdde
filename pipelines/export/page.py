"""The static page of an export: HTML, scripts, onnxruntime-web, the images to start from, and facts in engine.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.codes import encode
from dcign.engine.drawing import png, to_uint8
from dcign.engine.image_files import load_grey
from dcign.engine.variations import Slider, sliders_to_json
from dcign.errors import BadInput
from dcign.report.html import templates
from dcign.runs.report_file import reach
from dcign.runs.run import Run
from pipelines.drawing.objects import open_unseen_objects
from pipelines.drawing.renderer import CannotDraw
from pipelines.drawing.unseen_images import open_unseen_images
from pipelines.web import read_web_file

FORMAT, VERSION = "dcign-export", 1
ENGINE, INDEX = "engine.json", "index.html"
SCRIPTS = (
    "export.js", "code.js", "controls.js", "control.js", "choice.js", "range.js", "network.js", "photo.js", "pixels.js",
)  # fmt: skip
STYLES = ("page.css", "export.css")
RUNTIME = "onnxruntime-web"
# Name in the package -> in an export. Some web hosts do not know what .mjs is, and then no browser runs it.
RUNTIME_FILES = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    "LICENSE": "LICENSE",
    "ThirdPartyNotices.txt": "ThirdPartyNotices.txt",
}
LOADED = ("ort.wasm.bundle.min.js", "ort-wasm-simd-threaded.wasm", "decoder.onnx")  # before the first picture
MOST_STARTS = 24  # images to start from
OBJECTS = 4  # drawn anew, or from shards, where no images are named


@dataclass(frozen=True, eq=False)
class Start:
    """A code (Z,) to start from; `pixels` (H, W) in [0, 1] is the image that it is of, where there is one."""

    name: str
    pixels: NDArray[np.float32] | None
    code: NDArray[np.float32]


def scripts() -> dict[str, bytes]:
    """Read what is the same in each export, name -> content: scripts, styles and the runtime."""
    files = {f"page/{name}": read_web_file(name) for name in (*SCRIPTS, *STYLES, "icon.svg")}
    runtime = {f"page/{RUNTIME}/{new}": read_web_file(f"vendor/{RUNTIME}/{old}") for old, new in RUNTIME_FILES.items()}
    return {**files, **runtime}


def pictures(starts: Sequence[Start]) -> dict[str, bytes]:
    """Write the images that the page starts from: start-1.png, ..."""
    return {
        f"start-{number}.png": png(Image.fromarray(to_uint8(start.pixels)))
        for number, start in enumerate(starts, 1)
        if start.pixels is not None
    }


def engine_json(
    run: Run, name: str, sliders: Sequence[Slider], starts: Sequence[Start],
    report: Mapping[str, Any] | None, files: Iterable[str],
) -> bytes:  # fmt: skip
    """Write engine.json: what the scripts need and what else is known of the run; `files` are the export's others."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "object": run.object,
        "imported": run.imported,
        "size": run.size,
        "background": run.background,
        "step": run.step,
        "fingerprint": str(run.data.get("fingerprint", "")),
        "measured": measured_on(report),
        "sliders": sliders_to_json(sliders),
        "starts": [
            {
                "name": start.name,
                "picture": None if start.pixels is None else f"start-{number}.png",
                "code": [float(value) for value in start.code],
            }
            for number, start in enumerate(starts, 1)
        ],
        "files": sorted([*files, ENGINE]),
    }
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def index_html(
    run: Run, name: str, starts: Sequence[Start], report: Mapping[str, Any] | None, limits: Sequence[str], note: str,
    files: Mapping[str, bytes],
) -> bytes:  # fmt: skip
    """Write the page itself. `note` stands out at its top, `limits` lie behind a line at its end."""
    measured = measured_on(report)
    subtitle = (
        f"{run.object}s, {run.size} × {run.size} pixels, {run.layout.latents} latents, step {run.step:,}"
        f"{f', measured {measured}' if measured else ''}."
    )
    loaded = sum(len(content) for path, content in files.items() if path.endswith(LOADED))
    template = templates("pipelines", "web").get_template("export.html")
    return template.render(
        title=name,
        subtitle=subtitle,
        note=note,
        size=run.size,
        has_image=starts[0].pixels is not None,
        megabytes=f"{loaded / 1e6:.0f}",
        things=f"{run.object}s",
        latents=run.layout.latents,
        limits=limits,
    ).encode(errors="replace")


def measured_on(report: Mapping[str, Any] | None) -> str | None:
    """Return the date of the run's report, 2026-11-21, or None if it is not known."""
    time = reach(report, ("made", "time"))
    return time[:10] if isinstance(time, str) else None


def open_starts(run: Run, images: Sequence[Path], assets: Path | None) -> list[Start]:
    """Encode `images`; without any, `OBJECTS` unseen objects if they can be drawn.

    Else as many test images of the shards that the run was trained on, if they are still there, or the prior's mean.

    BadInput for too many images, for files that are none, and for `assets` that are not those of the training data.
    """
    if images and assets is not None:
        raise BadInput("--assets: expected without --image; it names the models to draw objects from")
    if len(images) > MOST_STARTS:
        raise BadInput(f"--image: expected at most {MOST_STARTS} images, found {len(images)}")
    if images:
        return _encoded(run, [(path.name, load_grey(path, run.size, run.background)) for path in images])
    kind = "unseen"
    try:
        drawn = _draw(run, assets)
    except CannotDraw as reason:
        kind, drawn = "test", [image.pixels for image in open_unseen_images(run)[:OBJECTS]]
        if not drawn:
            why = f"for no objects can be drawn ({reason}); see --image"
            click.echo(f"Note: the page starts from the mean code, {why}", err=True)
            return [Start("mean code", None, np.zeros(run.layout.latents, np.float32))]
        shown = f"{len(drawn)} test images of {run.data['folder']}, which it will hold"
        click.echo(f"Note: no objects can be drawn ({reason}); the page starts from {shown}; see --image", err=True)
    grey = [image.astype(np.float32) / np.float32(255) for image in drawn]
    return _encoded(run, [(f"{kind} {run.object} {number}", pixels) for number, pixels in enumerate(grey, 1)])


def _encoded(run: Run, named: Sequence[tuple[str, NDArray[np.float32]]]) -> list[Start]:
    return [Start(name, pixels, encode(run, pixels[None])[0]) for name, pixels in named]


def _draw(run: Run, assets: Path | None) -> list[NDArray[np.uint8]]:
    """Draw `OBJECTS` images (H, W): objects of the test split, from in front. CannotDraw where that cannot be."""
    with open_unseen_objects(run, assets) as objects:
        shown = range(min(OBJECTS, len(objects)))
        return [objects.draw(objects.frontal(number), {}) for number in shown]
