"""Opens what `--assets PATH` or a PATH argument names, and says what it is; the options that say which of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from assets.catalog import Catalog
from assets.chair_catalog import ChairCatalog, open_chairs
from assets.face_catalog import PLAIN, FaceCatalog, FaceSampling, is_face_model, open_faces
from assets.model_source import ModelSource
from pipelines.console import progress_bar
from render.errors import BadInput

BUILT_IN = Path("built-in")
KIND = click.option(
    "--object", "kind", type=click.Choice(["face", "chair"]), show_default="what PATH holds",
    help="For the name built-in: its faces, or its chairs.",
)  # fmt: skip
MATCH = click.option("--match", metavar="REGEX", default="", help="Only chair models of such names.")
PATH = click.argument("path", type=click.Path(path_type=Path))


def recognised(path: Path | None) -> str:
    """The kind of object that `path` holds: "face" or "chair"."""
    path = given(path)
    if path is None or is_face_model(path):
        return "face"
    if any(next(path.glob(f"{above}*/renders/image_*.png"), None) for above in ("", "*/")):
        raise BadInput(f"{path}: holds chairs that are rendered already; use `dcign import rendered-chairs {path}`")
    return "chair"


def given(path: Path | None) -> Path | None:
    """None for no path and for the name "built-in"."""
    return None if path is None or (path == BUILT_IN and not path.exists()) else path


def only_for(objects: str, options: dict[str, Any]) -> None:
    """Raise BadInput for the first option that was given."""
    for option, value in options.items():
        if value:
            raise BadInput(f"{option}: is for {objects} only")


def open_catalog(
    kind: str, path: Path | None, sampling: FaceSampling = PLAIN, match: str = "", strict: bool = False
) -> Catalog:
    """The faces or chairs at `path`, named on standard output; unreadable models are named on standard error."""
    if kind == "face":
        only_for("chairs", {"--match": match, "--strict": strict})
        return faces(path, sampling)
    return chairs(path, match, strict)


def faces(path: Path | None, sampling: FaceSampling = PLAIN) -> FaceCatalog:
    catalog = open_faces(given(path), sampling)
    modes = ", ".join(f"{count} of {part}" for part, count in catalog.parts.items() if count)
    click.echo(f"Face model: {catalog.name}; modes: {modes}.")
    return catalog


def chairs(path: Path | None, match: str = "", strict: bool = False) -> ChairCatalog:
    catalog, unreadable = open_chairs(given(path), match, _with_bar)
    for error in unreadable:
        if strict:
            raise error
        click.echo(f"Skipped: {error}", err=True)
    held = catalog.splits
    click.echo(
        f"Chairs: {len(catalog.sources)} models read, {len(unreadable)} unreadable; "
        f"{len(held['train'])} for train, {len(held['test'])} for test."
    )
    return catalog


def _with_bar(sources: Iterable[ModelSource]) -> Iterator[ModelSource]:
    found = list(sources)
    with progress_bar("read", len(found), "model") as bar:
        for source in found:
            yield source
            bar.update()
