"""Opens the face models or chairs that `--assets PATH` or a PATH argument names, and says what was found.

The options that pick among them stand here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.console import printable, progress_bar
from render.errors import BadInput

if TYPE_CHECKING:
    from assets.catalog import Catalog, ModelSource
    from assets.chairs.catalog import ChairCatalog
    from assets.faces.catalog import FaceCatalog, FaceSampling

BUILT_IN = Path("built-in")
KIND = click.option(
    "--object", "kind", type=click.Choice(["face", "chair"]), show_default="what PATH holds",
    help="For the name built-in: its faces, or its chairs.",
)  # fmt: skip
MATCH = click.option("--match", metavar="REGEX", default="", help="Only chair models of such names.")
REMARKS_SHOWN = 10  # models, of those that lack something
PATH = click.argument("path", type=click.Path(path_type=Path))


def kind_at(path: Path | None) -> str:
    """Tell the kind of object that `path` holds: "face" or "chair"."""
    from assets.faces.catalog import is_face_model

    path = model_path(path)
    if path is None or is_face_model(path):
        return "face"
    if any(next(path.glob(f"{above}*/renders/image_*.png"), None) for above in ("", "*/")):
        raise BadInput(f"{path}: holds chairs that are rendered already; use `dcign import rendered-chairs {path}`")
    return "chair"


def model_path(path: Path | None) -> Path | None:
    """Return the path of the user's models, or None for the built-in ones: no path, or the name "built-in"."""
    return None if path is None or (path == BUILT_IN and not path.exists()) else path


def only_for(objects: str, options: dict[str, Any]) -> None:
    """Raise BadInput for the first option that has a value: it is for other objects than these."""
    for option, value in options.items():
        if value:
            raise BadInput(f"{option}: is for {objects} only")


def open_catalog(
    kind: str,
    path: Path | None,
    sampling: FaceSampling | None = None,
    match: str = "",
    strict: bool = False,
    train_chairs: int | None = None,
) -> Catalog:
    """Open the faces or chairs at `path`.

    Names them on standard output, and unreadable models on standard error. Faces are neutral without `sampling`.
    """
    if kind == "face":
        only_for("chairs", {"--match": match, "--strict": strict, "--train-chairs": train_chairs})
        return faces(path, sampling)
    return chairs(path, match, strict, train_chairs)


def faces(path: Path | None, sampling: FaceSampling | None = None) -> FaceCatalog:
    """Open the face model at `path` and name its modes on standard output."""
    from assets.faces.catalog import PLAIN, open_faces

    catalog = open_faces(model_path(path), sampling or PLAIN)
    modes = ", ".join(f"{count} of {part}" for part, count in catalog.parts.items() if count)
    click.echo(f"Face model: {catalog.name}; modes: {modes}.")
    return catalog


def chairs(path: Path | None, match: str = "", strict: bool = False, train_chairs: int | None = None) -> ChairCatalog:
    """Open the chairs at `path` and count them; what cannot be read is named, or with `strict` raised."""
    from assets.chairs.catalog import TRAIN_CHAIRS, open_chairs

    path = model_path(path)
    if path is not None:
        only_for("the built-in chairs", {"--train-chairs": train_chairs})
    catalog, unreadable = open_chairs(path, match, _with_bar, train_chairs or TRAIN_CHAIRS)
    for error in unreadable:
        if strict:
            raise error
        click.echo(f"Skipped: {error}", err=True)
    _say_remarks(path, catalog.remarks)
    splits = catalog.splits
    click.echo(
        f"Chairs: {len(catalog.sources)} models read, {len(unreadable)} unreadable; "
        f"{len(splits['train'])} for train, {len(splits['test'])} for test."
    )
    return catalog


def _say_remarks(path: Path | None, remarks: dict[str, tuple[str, ...]]) -> None:
    """Name on standard error the first models that were read without something, and count the others."""
    for name, lines in list(remarks.items())[:REMARKS_SHOWN]:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        click.echo(printable(f"Read with less: {name}: {lines[0]}{more}"), err=True)
    if len(remarks) > REMARKS_SHOWN:
        others = len(remarks) - REMARKS_SHOWN
        click.echo(f"Read with less: {others} more models; `dcign assets check {path}` says what.", err=True)


def _with_bar(sources: Iterable[ModelSource]) -> Iterator[ModelSource]:
    found = list(sources)
    with progress_bar("read", len(found), "model") as bar:
        for source in found:
            yield source
            bar.update()
