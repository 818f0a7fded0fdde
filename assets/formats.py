"""The file formats of models: which reader serves which suffix."""

from __future__ import annotations

from collections.abc import Callable

from assets.archives import FileTree
from assets.obj import obj_references, read_obj
from assets.parts import Part

Reader = Callable[[FileTree, str], list[Part]]
References = Callable[[FileTree, str], list[str]]


def no_references(tree: FileTree, name: str) -> list[str]:
    """The format keeps everything in one file."""
    return []


# suffix -> the reader, and the function that lists the other files that it reads
FORMATS: dict[str, tuple[Reader, References]] = {
    ".obj": (read_obj, obj_references),
}
