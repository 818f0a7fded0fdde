"""`images.json`, which lies beside a table of images and says what the table cannot: units, ranges, names, background.

It has the form of a manifest's settings, and `dcign export-images` writes it, so that a table comes back as it was:

    {
     "format": "dcign-images", "version": 1,
     "object": "chair", "assets": {"identities": ["ladder back", "stool"]},
     "size": 150, "batch_size": 20,
     "ranges": {"azimuth": [0, 360]}, "labels": {"azimuth": {"unit": "degrees", "circular": true}},
     "seed": 0, "shading": {"background": 1.0}
    }

All but `format` and `version` may be left out. A file of that name from another program is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from render.errors import BadInput
from render.shards.documents import Line, ListOf, Number, Record, Unexpected, check_shape, read_json
from render.shards.labels import Label, check_labels, labels_of, labels_to_json
from render.shards.manifest import LATER, SETTINGS

FORMAT, VERSION = "dcign-images", 1
NAME = "images.json"
LARGEST = 2**26  # bytes
SHAPE = Record(
    optional={
        **{name: SETTINGS[name] for name in ("object", "size", "batch_size", "ranges", "seed")},
        "labels": LATER["labels"],
        "assets": Record(optional={"identities": ListOf(Line())}),
        "shading": Record(optional={"background": Number(0, 1)}),
    }
)


@dataclass(frozen=True)
class Description:
    """The content of `images.json`; None, or empty, for what it leaves out."""

    object: str | None = None
    size: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    background: float | None = None
    labels: dict[str, Label] = field(default_factory=dict)
    identities: tuple[str, ...] = ()


def read_description(folder: Path) -> Description | None:
    """Read `images.json` of a folder; None if there is none, or one of another program.

    Raises BadInput naming the place in it, what was expected and what was found.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    document = read_json(path, Record(), largest=LARGEST)
    if document.get("format") != FORMAT:
        return None
    if document.get("version") != VERSION:
        raise BadInput(f"{path}: expected format version {VERSION}, found {document.get('version')!r:.60}")
    check_shape(path, document, SHAPE)
    labels = {"object": "images", "ranges": {}, "labels": {}, **document}
    try:
        check_labels(labels)
    except Unexpected as error:
        raise BadInput(f"{path}: {error}") from None
    identities = tuple(document.get("assets", {}).get("identities", ()))
    if len(set(identities)) < len(identities):
        raise BadInput(f"{path}: assets.identities: expected each name once, found one twice")
    return Description(
        document.get("object"), document.get("size"), document.get("batch_size"), document.get("seed"),
        document.get("shading", {}).get("background"), labels_of(labels),
        identities,
    )  # fmt: skip


def description_of(settings: dict[str, Any], labels: dict[str, Label]) -> dict[str, Any]:
    """Return `images.json` for the images of a data set with these `settings` of its manifest and these labels."""
    identities = settings["assets"].get("identities")
    return {
        "format": FORMAT,
        "version": VERSION,
        "object": settings["object"],
        **({"assets": {"identities": identities}} if identities else {}),
        **{name: settings[name] for name in ("size", "batch_size")},
        **labels_to_json(labels),
        "seed": settings["seed"],
        "shading": {"background": settings["shading"].get("background", 0.0)},
    }
