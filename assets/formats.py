"""The file formats of models: which reader serves which suffix."""

from __future__ import annotations

from collections.abc import Callable

from assets.archives import FileTree
from assets.dae import dae_references, read_dae
from assets.gltf import gltf_references, read_gltf
from assets.obj import obj_references, read_obj
from assets.parts import Part
from assets.plain_formats import ply_references, read_off, read_ply, read_stl

Reader = Callable[[FileTree, str], list[Part]]
References = Callable[[FileTree, str], list[str]]


def no_references(tree: FileTree, name: str) -> list[str]:
    """The format keeps everything in one file."""
    return []


# suffix -> the reader, and the function that lists the other files that it reads
FORMATS: dict[str, tuple[Reader, References]] = {
    ".obj": (read_obj, obj_references),
    ".off": (read_off, no_references),
    ".glb": (read_gltf, gltf_references),
    ".gltf": (read_gltf, gltf_references),
    ".ply": (read_ply, ply_references),
    ".stl": (read_stl, no_references),
    ".dae": (read_dae, dae_references),
}
