"""Labelled sheets: rows of images with a title at the left and a caption under each image.

Of mini-batches in shards, and of what a face model or chairs look like: mean, modes, random objects, poses and lights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from assets.catalog import Catalog
from assets.chairs.catalog import ChairCatalog
from assets.faces.catalog import FaceCatalog
from assets.mesh import Mesh
from assets.morphable import BLEND_SHAPE_DEVIATION
from render.errors import BadInput
from render.factors import FACTORS
from render.jobs.job import shading_for
from render.scene import Scene, frame_camera
from render.shards.data_set import DataSet, MiniBatch

MARGIN = 190  # pixels at the left for the row's label
LINE = 16
DEGREE = "\N{DEGREE SIGN}"

COLUMNS = 10  # of models and of random identities
MODES = 4  # of shape and of albedo, two in a row
EXPRESSIONS = 2 * COLUMNS  # shown at most
POSES = ((-60.0, 0.0), (0.0, 0.0), (60.0, 0.0))  # azimuth, elevation
LIGHTS = (-70.0, 0.0, 70.0)
VIEW = (30.0, 20.0)  # azimuth and elevation that show most of a chair
FRONT_LIGHT = -35.0  # a light from the side shows the relief


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a sheet.

    images    (h, w) uint8 grey each, in all rows alike
    captions  of each image, below it
    lines     of text below the title
    """

    title: str
    images: Sequence[NDArray[np.uint8]]
    captions: Sequence[str]
    lines: Sequence[str] = ()


def draw_rows(rows: Sequence[Row]) -> Image.Image:
    """Draw an RGB sheet of the rows, as wide as the longest of them."""
    size = rows[0].images[0].shape[0]
    height = size + LINE + 4
    columns = max(len(row.images) for row in rows)
    sheet = Image.new("RGB", (MARGIN + columns * (size + 2), len(rows) * height), "white")
    pen = ImageDraw.Draw(sheet)
    font, bold = ImageFont.load_default(12), ImageFont.load_default(15)
    for y, row in enumerate(rows):
        top = y * height
        pen.text((8, top + 6), row.title, fill="black", font=bold)
        for line, text in enumerate(row.lines):
            pen.text((8, top + 28 + LINE * line), _fitting(text, MARGIN - 12, font), fill="#555555", font=font)
        for x, (image, caption) in enumerate(zip(row.images, row.captions, strict=True)):
            left = MARGIN + x * (size + 2)
            sheet.paste(Image.fromarray(np.asarray(image)), (left, top))
            pen.text((left + 4, top + size + 1), _fitting(caption, size - 4, font), fill="black", font=font)
    return sheet


def save_sheet(rows: Sequence[Row], path: Path) -> Image.Image:
    """Draw a sheet of the rows into a file of any kind of picture. BadInput if it cannot be written."""
    sheet = draw_rows(rows)
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be written as a picture: {error}") from error
    return sheet


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut `text` to what fits into `width` pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


def minibatch_row(data: DataSet, batch: MiniBatch, columns: int) -> Row:
    """Show the first `columns` images of a mini-batch: its factor's values below, those of the others at the left."""
    names = data.manifest.settings["assets"].get("identities", [])

    def text(name: str, value: np.float32, sign: str) -> str:
        return data.labels[name].text(float(value)) if data.imported else f"{value:{sign}.1f}{DEGREE}"

    def who(identity: np.int64, word: str) -> str:
        known = 0 <= identity < len(names)
        return names[identity] if known else f"{word}..{int(identity) % 10**6}"

    fixed = {name: values for name, values in batch.values.items() if name != batch.factor}
    lines = [f"{name} {text(name, values[0], '')}" for name, values in fixed.items()]
    if batch.factor not in FACTORS or not set(FACTORS[batch.factor].parts) - {"expression"}:
        lines.append(who(batch.identity[0], "identity "))
    if batch.factor in batch.values:
        captions = [text(batch.factor, value, "+") for value in batch.values[batch.factor]]
    else:
        captions = [who(identity, "" if data.imported else "identity ") for identity in batch.identity]
    title = f"{batch.factor} {batch.index} ({batch.split})"
    return Row(title, list(batch.images[:columns]), captions[:columns], lines)


class Gallery:
    """Draws single objects of a catalog as the images of shards are, `size` pixels wide and high, in this process."""

    def __init__(self, catalog: Catalog, size: int) -> None:
        from render.opengl.reference import shared_renderer  # OpenGL, from here on

        self.camera = frame_camera(catalog.target, catalog.radius, size)
        self.draw, self.shading = shared_renderer(size).draw, shading_for(catalog)

    def image(
        self, mesh: Mesh, azimuth: float = 0.0, elevation: float = 0.0, light: float = FRONT_LIGHT
    ) -> NDArray[np.uint8]:
        return self.draw(Scene(mesh, azimuth, elevation, light, self.camera, self.shading))

    def views(self, title: str, mesh: Mesh, poses: Sequence[tuple[float, float]]) -> Row:
        """Show one object in some poses, then under some lights in the second of them."""
        images = [self.image(mesh, *pose) for pose in poses]
        images += [self.image(mesh, *poses[1], light) for light in LIGHTS]
        captions = [f"azimuth {azimuth:+.0f}{DEGREE}" for azimuth, _ in poses]
        return Row(title, images, captions + [f"light {light:+.0f}{DEGREE}" for light in LIGHTS])


def face_rows(catalog: FaceCatalog, gallery: Gallery, seed: int) -> Iterator[Row]:
    """Show a face model: its mean in poses and lights, modes from -2 to +2 deviations, expressions, random faces."""
    model = catalog.model
    counts = model.parts
    neutral = np.zeros(counts["shape"] + counts["albedo"], np.float32)
    yield gallery.views("mean", model.mesh(neutral), POSES)

    def along(position: int, value: float) -> NDArray[np.uint8]:
        coefficients = neutral.copy()
        coefficients[position] = value
        return gallery.image(model.mesh(coefficients))

    steps = (-2.0, -1.0, 0.0, 1.0, 2.0)
    for part, first in (("shape", 0), ("albedo", counts["shape"])):
        shown = list(range(min(MODES, counts[part])))
        for some in (shown[k : k + 2] for k in range(0, len(shown), 2)):
            images = [along(first + k, s) for k in some for s in steps]
            captions = [f"mode {k + 1}, {s:+.0f} s.d." for k in some for s in steps]
            yield Row(f"{part} modes", images, captions)
    yield from _expression_rows(catalog, gallery)
    yield from _random_rows(catalog, gallery, seed)


def _expression_rows(catalog: FaceCatalog, gallery: Gallery) -> Iterator[Row]:
    """Show each expression mode alone, a named one fully pressed, others at two deviations."""
    model = catalog.model
    modes = model.expression
    start, shown = len(model.shape) + len(model.albedo), min(len(modes), EXPRESSIONS)
    images, captions = [], []
    for k in (i * len(modes) // shown for i in range(shown)):  # spread over all
        coefficients = np.zeros(start + len(modes), np.float32)
        coefficients[start + k] = 1 / BLEND_SHAPE_DEVIATION if modes.one_sided else 2.0
        images.append(gallery.image(model.mesh(coefficients)))
        captions.append(modes.names[k] if modes.names else f"mode {k + 1}, +2 s.d.")
    for low in range(0, shown, COLUMNS):
        yield Row("expressions", images[low : low + COLUMNS], captions[low : low + COLUMNS])


def _random_rows(catalog: FaceCatalog, gallery: Gallery, seed: int) -> Iterator[Row]:
    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng([seed, *name.encode()])

    chosen = catalog.choose("train", 0, ("shape", "albedo", "expression"), COLUMNS, stream)
    assert chosen.coefficients is not None
    captions = [f"identity ..{identity % 10**6}" for identity in chosen.identity]
    neutral = sum(n for part, n in catalog.parts.items() if part != "expression")
    views = [("random identities", 0.0, neutral), ("", 35.0, neutral)]
    if catalog.parts.get("expression"):
        views.append(("with expressions", 0.0, neutral + catalog.parts["expression"]))
    for title, azimuth, count in views:
        meshes = [catalog.mesh(0, row[:count]) for row in chosen.coefficients]
        yield Row(title, [gallery.image(mesh, azimuth) for mesh in meshes], captions)


def chair_rows(catalog: ChairCatalog, gallery: Gallery, most: int) -> Iterator[Row]:
    """Show up to `most` models spread over the catalog, from above at the front; one in three poses and lights."""
    count = len(catalog.sources)
    chosen = sorted({i * count // min(most, count) for i in range(min(most, count))})
    for low in range(0, len(chosen), COLUMNS):
        some = chosen[low : low + COLUMNS]
        images = [gallery.image(catalog.mesh(i, None), *VIEW) for i in some]
        yield Row(f"models {low + 1} to {low + len(some)}", images, [_name(catalog.sources[i].id) for i in some])
    middle = catalog.mesh(chosen[len(chosen) // 2], None)
    turned = ((VIEW[0] - 60, VIEW[1]), VIEW, (VIEW[0] + 90, VIEW[1]))
    yield gallery.views("poses and lights", middle, turned)


def _name(source_id: str) -> str:
    """Return the last part of a model's id, short enough for a caption."""
    return source_id.rsplit("!", 1)[-1].rsplit("/", 1)[-1][:24]
