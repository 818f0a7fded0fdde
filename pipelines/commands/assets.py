"""`dcign assets`: lists, shows, draws, checks and exports face models and chairs."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.errors import AssetError
from assets.files import check_parent, write_file
from pipelines.catalogs import KIND, MATCH, PATH, faces, kind_at, model_path, open_catalog
from pipelines.console import Group, counted, picture_format, printable
from render.errors import BadInput
from render.factors import EXTRINSIC, SPLITS

if TYPE_CHECKING:
    from assets.cad.check import CadCheck


@click.group(cls=Group, context_settings={"show_default": True})
def command() -> None:
    """Look at face models and chairs before rendering them. PATH is a file or folder, or the name built-in.

    \b
    Examples:
      dcign assets list
      dcign assets show built-in -o sheet.png
      dcign assets draw built-in --seed 7 -o ann.png
      dcign assets check furniture/
      dcign assets export built-in -o face.h5
    """


@command.command("list")
def list_() -> None:
    """List what is built in and what is cached.

    \b
    Example:
      dcign assets list
    """
    from assets.cache import cache_folder, cached_files
    from assets.chairs.built_in import FAMILIES
    from assets.head.model import MODES

    click.echo(f"built-in (face)   a head with {MODES} shape and {MODES} albedo modes and named expressions")
    families = ", ".join(f"{count} {name}" for name, (_, count) in FAMILIES.items())
    total = sum(count for _, count in FAMILIES.values())
    click.echo(f"built-in (chair)  {total:,} chairs: {families}")
    click.echo(f"\nCached in {cache_folder()}; safe to delete:")
    for what, (count, size) in cached_files().items():
        click.echo(f"  {what:<24} {count:>6} files  {size / 1e6:>8.1f} MB")


@command.command()
@PATH
@KIND
@MATCH
@click.option("-o", "--output", type=click.Path(path_type=Path), default="sheet.png", help="Picture to write.")
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Width and height of each image in pixels.")
@click.option("--models", type=click.IntRange(1, 1000), default=60, help="Chairs to show at most.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the random faces.")
def show(path: Path, kind: str | None, match: str, output: Path, size: int, models: int, seed: int) -> None:
    """Draw a sheet: a face model's mean, modes, expressions and random identities; or chair models; poses and lights.

    \b
    Examples:
      dcign assets show built-in -o sheet.png
      dcign assets show furniture/ --match chair -o chairs.png
    """
    from assets.chairs.catalog import ChairCatalog
    from assets.faces.catalog import FaceCatalog, FaceSampling
    from pipelines.drawing.sheet import Gallery, chair_rows, face_rows, save_sheet

    check_parent(output)
    catalog = open_catalog(kind or kind_at(path), path, FaceSampling(expressions=True), match)
    gallery = Gallery(catalog, size)
    if isinstance(catalog, FaceCatalog):
        rows = list(face_rows(catalog, gallery, seed))
    else:
        assert isinstance(catalog, ChairCatalog)
        rows = list(chair_rows(catalog, gallery, models))
    sheet = save_sheet(rows, output)
    click.echo(f"{output}: {sheet.width} x {sheet.height} pixels.")


@command.command()
@PATH
@KIND
@MATCH
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Picture to write, .png or .jpg.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Who: another face or chair for each number.")
@click.option("--split", type=click.Choice(SPLITS), default="test", help="Of those that training sees, or of others.")
@click.option("--azimuth", type=click.FloatRange(-360, 360), show_default="0, chairs 30", help="Degrees.")
@click.option("--elevation", type=click.FloatRange(-90, 90), show_default="0, chairs 20", help="Degrees.")
@click.option("--light", type=click.FloatRange(-360, 360), default=0.0, help="Degrees.")
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Width and height in pixels.")
def draw(
    path: Path, kind: str | None, match: str, output: Path, seed: int, split: str, azimuth: float | None,
    elevation: float | None, light: float, size: int,
) -> None:  # fmt: skip
    """Draw one face or chair in one pose and light, as the images of shards have it: something to try a run on.

    \b
    Examples:
      dcign assets draw built-in --seed 7 -o ann.png
      dcign assets draw built-in --object chair --azimuth 120 -o chair.png
    """
    from PIL import Image

    from pipelines.drawing.objects import ObjectRenderer

    form = picture_format(output)
    check_parent(output)
    pose = (azimuth, elevation, light)
    for name, angle in zip(EXTRINSIC, pose, strict=True):
        if angle is not None and not isfinite(angle):
            raise BadInput(f"--{name}: expected degrees, found {angle}")
    catalog = open_catalog(kind or kind_at(path), path, match=match)
    renderer = ObjectRenderer(catalog, size)
    angles = [front if angle is None else angle for angle, front in zip(pose, renderer.front, strict=True)]
    image = renderer.image(renderer.object(seed, split), *angles)
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, form, quality=95)
    write_file(output, buffer.getvalue())
    click.echo(f"{output}: azimuth {angles[0]:g}°, elevation {angles[1]:g}°, light {angles[2]:g}°")


@command.command()
@PATH
@KIND
@MATCH
def check(path: Path, kind: str | None, match: str) -> None:
    """Show a table of what may be wrong with a face model, or with each chair model as its file has it.

    Exit code 0 when everything can be rendered, even if it is odd; 2 when something cannot be read.

    \b
    Example:
      dcign assets check furniture/
    """
    if (kind or kind_at(path)) == "face":
        from assets.faces.check import check_face_model

        findings = check_face_model(faces(path).model)
        for finding in findings:
            click.echo(f"  {'ODD' if finding.bad else 'ok':<4} {finding.what:<28} {finding.found}")
        odd = sum(finding.bad for finding in findings)
        click.echo(f"{path}: {odd or 'nothing'} odd.")
        return
    _check_chairs(path, match)


@command.command()
@PATH
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write, .h5.")
def export(path: Path, output: Path) -> None:
    """Write a face model, whatever its format, as an HDF5 file in the layout of the Basel Face Model of 2019.

    Reading it back gives the same model, and the same images.

    \b
    Example:
      dcign assets export built-in -o face.h5
    """
    from assets.faces.basel_2017 import write_basel_h5
    from assets.faces.catalog import FaceSampling

    if output.suffix.lower() not in (".h5", ".hdf5"):
        raise BadInput(f"-o: expected a file name ending in .h5, found {output}")
    check_parent(output)
    model = faces(path, FaceSampling(expressions=True)).model
    write_basel_h5(model, output)
    click.echo(f"{output}: {len(model.shape_mean)} vertices, {output.stat().st_size / 1e6:.0f} MB.")


def _check_chairs(path: Path, match: str) -> None:
    from assets.cad.check import check_parts
    from assets.cad.models import find_models

    if model_path(path) is None:
        raise BadInput(f"{path}: the built-in chairs have no files to check")
    models, unreadable = find_models(path, match)
    click.echo("       triangles longest side  twice   flat   rims images turned  model")
    odd = 0
    for model in models:
        try:
            seen = model.examine()
        except AssetError as error:
            unreadable.append(error)
            continue
        found = check_parts(seen.parts, seen.remarks)
        odd += bool(found.faults)
        click.echo(_line(found, seen.turned, model.id))
        for line in found.faults:
            click.echo(f"{'':<62}{printable(line)}")
    for fault in unreadable:
        click.echo(f"  BAD  {fault}")
    click.echo(f"{path}: {counted(len(models), 'model')}, {odd} odd, {len(unreadable)} unreadable.")
    if unreadable:
        raise AssetError(f"{path}: {len(unreadable)} of its files cannot be read; `dcign render` leaves them out")


def _line(found: CadCheck, turned: bool, name: str) -> str:
    numbers: Sequence[int] = (found.duplicates, found.slivers, found.open_edges, found.textures)
    counts = " ".join(f"{n:>6}" for n in numbers)
    verdict = f"  {'ODD' if found.faults else 'ok':<4} {found.triangles:>9} {found.size:>12.4g}"
    return f"{verdict} {counts} {'yes' if turned else '-':>6}  {name}"
