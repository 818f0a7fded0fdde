"""CAD models of the user: a file, a folder or a zip library, in any of `formats.FORMATS`, read into drawable meshes.

Orientation: +Y up and the front at +Z is taken for granted, except where it is known better: Sweet Home 3D libraries
say it in their catalog, and two public collections are recognised by their file names, ModelNet (`.off`: Z up,
front -Y) and ShapeNetCore v2 (`model_normalized.obj`: front -Z).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.archives import ZIP_SUFFIXES, FileTree, Folder, ZipLibrary
from assets.errors import AssetError
from assets.formats import FORMATS
from assets.mesh import Mesh, check_surface
from assets.model_source import ModelSource
from assets.parts import mesh_of_parts
from assets.sweet_home import read_catalog

__all__ = ["CadModel", "ModelSource", "find_models"]

ACCEPTED = f"a model ({', '.join(FORMATS)}) or a zip library of models ({', '.join(ZIP_SUFFIXES)})"

_Z_UP_FRONT_MINUS_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
_FRONT_MINUS_Z = np.diag([-1.0, 1.0, -1.0])


@dataclass(frozen=True)
class CadModel:
    """A model in a folder, or in a zip library below it; a `ModelSource`.

    root     the folder that bounds what may be read
    archive  the zip library's name below `root`, or ''
    member   the model's name below `root`, or inside the archive
    """

    root: Path
    archive: str
    member: str

    @property
    def id(self) -> str:
        return f"{self.archive}!{self.member}" if self.archive else self.member

    def sha256(self) -> str:
        """SHA-256 of the names and bytes of the model's file and of the files it refers to, where present."""
        try:
            tree = self._tree()
            others = FORMATS[_suffix(self.member)][1](tree, self.member)
            turn = _turn(tree, self.member)
            digest = hashlib.sha256(b"" if turn is None else turn.tobytes())
            for name in [self.member, *sorted(set(others) - {self.member})]:
                content = tree.read(name)
                digest.update(f"{name} {len(content)}\n".encode("utf-8", "replace"))
                digest.update(content)
            return digest.hexdigest()
        except Exception as error:
            raise self._failure(error) from error

    def read(self) -> Mesh:
        """The normalised mesh (see `ModelSource.read`). Whatever is wrong with the file is an AssetError naming it."""
        try:
            tree = self._tree()
            parts = FORMATS[_suffix(self.member)][0](tree, self.member)
            mesh = mesh_of_parts(self.id, parts, _turn(tree, self.member))
            for surface in mesh.surfaces:
                check_surface(surface, self.id)
            return mesh
        except Exception as error:  # the file is untrusted: any way it breaks a reader is its fault
            raise self._failure(error) from error

    def _tree(self) -> FileTree:
        return ZipLibrary(self.root / self.archive) if self.archive else Folder(self.root)

    def _failure(self, error: Exception) -> AssetError:
        """The error as one that starts with the path of the model."""
        place = self.root / self.id
        if isinstance(error, AssetError):
            return AssetError(f"{place}: {str(error).removeprefix(f'{self.member}: ')}")
        kind = type(error).__name__
        return AssetError(f"{place}: expected a readable {_suffix(self.member)} model, found {kind}: {error}")


def find_models(path: Path, matching: str = "") -> list[ModelSource]:
    """All models in `path`, sorted by id: a folder (searched with its subfolders and zip libraries), a zip, one model.

    With `matching`, a regular expression, only those whose id, or name, tags and category in a Sweet Home 3D catalog,
    hold a match in any letter case: libraries of furniture hold more than chairs. Raises AssetError if `path` is
    missing, holds no model, or holds a zip library that cannot be opened.
    """
    if path.is_dir():
        root, names = path, Folder(path).names()
    elif path.is_file():
        root, names = path.parent, [path.name]
    else:
        raise AssetError(f"{path}: expected {ACCEPTED}, or a folder of them, found nothing there")
    models: list[CadModel] = []
    for name in names:
        if _suffix(name) in FORMATS:
            models.append(CadModel(root, "", name))
        elif _suffix(name) in ZIP_SUFFIXES:
            library = ZipLibrary(root / name)
            models += [CadModel(root, name, member) for member in library.names() if _suffix(member) in FORMATS]
    if matching:
        models = _matching(models, matching)
    if not models:
        wanted = f" matching {matching!r}" if matching else ""
        raise AssetError(f"{path}: expected {ACCEPTED}{wanted}, found none among {len(names)} files")
    return [*sorted(models, key=lambda model: model.id)]


def _matching(models: list[CadModel], expression: str) -> list[CadModel]:
    """The models whose id or catalog entry matches `expression`."""
    try:
        pattern = re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise AssetError(
            f"--match: expected a regular expression such as 'chair|stool', found {expression!r}: {error}"
        ) from None
    catalogs = {model.archive: read_catalog(model._tree()) for model in {m.archive: m for m in models}.values()}
    kept = []
    for model in models:
        listed = catalogs[model.archive].get(model.member)
        if pattern.search(f"{model.id} {listed.words if listed else ''}"):
            kept.append(model)
    return kept


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _turn(tree: FileTree, name: str) -> NDArray[np.float64] | None:
    """The rotation that makes a model of a known collection stand upright and face +Z."""
    listed = read_catalog(tree).get(name)
    if listed is not None:
        return listed.turn
    if _suffix(name) == ".off":
        return _Z_UP_FRONT_MINUS_Y
    if posixpath.basename(name) == "model_normalized.obj":
        return _FRONT_MINUS_Z
    return None
