"""`dcign assets draw PATH`: one face or chair in one pose and light, as the images of shards have it."""

from __future__ import annotations

from io import BytesIO
from math import isfinite
from pathlib import Path

import click
from PIL import Image

from pipelines.opening import KIND, MATCH, PATH, open_catalog, recognised
from render.errors import BadInput
from render.factors import EXTRINSIC, SPLITS
from render.files import write_file


@click.command(name="draw", context_settings={"show_default": True})
@PATH
@KIND
@MATCH
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Picture to write, .png.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Who: another face or chair for each number.")
@click.option("--split", type=click.Choice(SPLITS), default="test", help="Of those that training sees, or of others.")
@click.option("--azimuth", type=click.FloatRange(-360, 360), show_default="0, chairs 30", help="Degrees.")
@click.option("--elevation", type=click.FloatRange(-90, 90), show_default="0, chairs 20", help="Degrees.")
@click.option("--light", type=click.FloatRange(-360, 360), default=0.0, help="Degrees.")
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Width and height in pixels.")
def command(
    path: Path, kind: str | None, match: str, output: Path, seed: int, split: str, azimuth: float | None,
    elevation: float | None, light: float, size: int,
) -> None:  # fmt: skip
    """Draw one face or chair in one pose and light, as the images of shards have it: something to try a run on.

    \b
    Examples:
      dcign assets draw built-in --seed 7 -o ann.png
      dcign assets draw built-in --object chair --azimuth 120 -o chair.png
    """
    from pipelines.single_views import SingleViews

    if output.suffix.lower() != ".png":
        raise BadInput(f"-o: expected a file name ending in .png, found {output}")
    if not output.parent.is_dir():
        raise BadInput(f"-o {output}: there is no folder {output.parent}; make it first")
    asked = (azimuth, elevation, light)
    for name, angle in zip(EXTRINSIC, asked, strict=True):
        if angle is not None and not isfinite(angle):
            raise BadInput(f"--{name}: expected degrees, found {angle}")
    catalog = open_catalog(kind or recognised(path), path, match=match)
    views = SingleViews(catalog, size)
    angles = [front if angle is None else angle for angle, front in zip(asked, views.front, strict=True)]
    image = views.image(views.object(seed, split), *angles)
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    write_file(output, buffer.getvalue())
    click.echo(f"{output}: azimuth {angles[0]:g}°, elevation {angles[1]:g}°, light {angles[2]:g}°")
