"""`dcign import images`: turns a user's own images, listed in a table, into shards of single-factor mini-batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pipelines.commands.import_job import SKIP, import_labelled_images, import_options
from render.errors import BadInput
from render.shards.labels import FULL_TURN, is_object

FULL = f"{FULL_TURN:g}"


@click.command("images", context_settings={"show_default": True})
@click.argument("table", type=click.Path(path_type=Path))
@import_options()
@click.option(
    "--pattern", metavar="NAMES", help="How file names hold the labels, if TABLE is a folder: "
    "'{identity}_P{azimuth}_L{light}.png', or '{identity}/{azimuth}.png'; {_} is anything.",
)  # fmt: skip
@click.option("--ignore", metavar="COLUMN", multiple=True, help="A column that is no factor; may be given again.")
@click.option("--categorical", metavar="FACTOR", multiple=True, help="Numbers that are only names.")
@click.option(
    "--circular", metavar="FACTOR[=TURN]", multiple=True,
    help=f"A factor whose values begin again after a full TURN; without one after {FULL} degrees.",
)  # fmt: skip
@click.option(
    "--tolerance", metavar="FACTOR=T", multiple=True, help="Values that differ by no more than T pass for the same."
)
@click.option(
    "--unit", metavar="FACTOR=UNIT", multiple=True,
    help="Degrees for azimuth, elevation, light and full turns of 360; else none, or as in 'distance (cm)'.",
)  # fmt: skip
@click.option("--object", "shown", metavar="WORD", help="What the images show, such as face.")
@click.option(
    "--background", type=click.FloatRange(0, 1), show_default="1",
    help="Grey value from 0 (black) to 1 (white) behind transparent images and beside those that are no squares.",
)  # fmt: skip
@SKIP
def command(
    table: Path, output: Path, limit: int | None, test_share: float | None, crop: str, size: int | None,
    batch_size: int | None, seed: int | None, pattern: str | None, ignore: Sequence[str], categorical: Sequence[str],
    circular: Sequence[str], tolerance: Sequence[str], unit: Sequence[str], shown: str | None,
    background: float | None, skip: bool,
) -> None:  # fmt: skip
    """Import your own images, listed in TABLE with what is known of each, into OUTPUT/*.npz and OUTPUT/manifest.json.

    TABLE is a CSV file, or JSON lines, with a row for each image: its path below the folder of TABLE, its identity (who
    or what it shows), and any number of factors: numbers, or words for categories. A column split may say train or
    test. Or TABLE is a folder whose file names hold all that (--pattern).

    Images that agree in all but one factor become its mini-batches; in all but the identity those of intrinsic. What
    images.json beside TABLE says, as `dcign export-images` writes it, counts where no option says otherwise.

    \b
    Examples:
      dcign import images photos.csv --circular azimuth
      dcign import images faces/ --pattern '{identity}_P{azimuth}_L{light}.png'
      dcign import images photos.csv --tolerance elevation=2 --unit distance=cm
    """
    from dcign.engine.decoder_process import DecoderPool
    from render.imports.image_table import TableOptions, open_image_table
    from render.imports.tables.labels import LabelOptions, checked_unit

    if shown is not None and not is_object(shown):
        raise BadInput(f"--object: expected a word or some, found {shown!r}")
    labels = LabelOptions(
        frozenset(categorical),
        _pairs("--circular", [word if "=" in word else f"{word}={FULL}" for word in circular], _positive),
        _pairs("--tolerance", tolerance, _positive),
        _pairs("--unit", unit, lambda text, place: checked_unit(text, place)),
    )
    options = TableOptions(labels, ignore, shown, background, skip)
    images, told = open_image_table(table, pattern, options, DecoderPool().decode)
    import_labelled_images(
        images, output, limit, test_share, crop, size or told.size, batch_size or told.batch_size,
        told.seed if seed is None else seed, skip,
    )  # fmt: skip


def _pairs(option: str, words: Sequence[str], read: Callable[[str, str], Any]) -> dict[str, Any]:
    """Read FACTOR=VALUE for each of `words`; BadInput names the option."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise BadInput(f"{option}: expected FACTOR=VALUE, found {word!r}")
        if name in found:
            raise BadInput(f"{option}: expected {name} once, found it twice")
        found[name] = read(value, option)
    return found


def _positive(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise BadInput(f"{option}: expected a number above 0, found {text!r}")
    return value
