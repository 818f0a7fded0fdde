"""CAD models of the user: a file, a folder or a zip library, in any of FORMATS, read into drawable meshes.

Orientation: Sweet Home 3D libraries say it in their catalog, and the other collections of `assets.cad.collections` are
recognised. Elsewhere +Y up and the front at +Z is taken for granted, unless the shape says clearly otherwise
(`assets.cad.orientation`). One untrusted file may take a limited time.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from assets.archives import ZIP_SUFFIXES, CachedTree, FileTree, Folder, open_library
from assets.cad.cache import keep_model, load_model
from assets.cad.collections import is_aligned, place_in_collection, read_catalog, turn_of_collection
from assets.cad.dae import dae_references, read_dae
from assets.cad.gltf import gltf_references, read_gltf
from assets.cad.obj import obj_references, read_obj
from assets.cad.orientation import turn_upright
from assets.cad.parts import Part, joined, mesh_of_parts, visible_parts
from assets.cad.plain import read_off, read_stl
from assets.cad.ply import ply_references, read_ply
from assets.cad.remarks import remarks_on, shortened
from assets.errors import AssetError, OutOfTime
from assets.mesh import Mesh, check_surface

SECONDS = 60.0  # of processor time for one model; real ones take less than two

Reader = Callable[[FileTree, str, list[str]], list[Part]]  # the list is for remarks
References = Callable[[FileTree, str], list[str]]


def no_references(tree: FileTree, name: str) -> list[str]:
    """Return no names: the format keeps everything in one file."""
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
ACCEPTED = f"a model ({', '.join(FORMATS)}) or a zip library of models ({', '.join(ZIP_SUFFIXES)})"


@dataclass(frozen=True, eq=False)
class Examination:
    """The content of a model's file, before anything is turned, cleaned and normalised.

    turned   whether it is drawn in another orientation
    remarks  what was left out of it, or replaced
    """

    parts: list[Part]
    turned: bool
    remarks: tuple[str, ...]


@dataclass
class CadModel:
    """A model in a folder, or in a zip library below it; an `assets.catalog.ModelSource`.

    root      the folder that bounds what may be read
    archive   the zip library's name below `root`, or ''
    member    the model's name below `root`, or inside the archive
    known_as  its id where a collection gives it one, or ''
    """

    root: Path
    archive: str
    member: str
    known_as: str = ""
    for_training = False
    _content: str = field(default="", init=False, repr=False, compare=False)  # its checksum, once known

    @property
    def id(self) -> str:
        return self.known_as or self._name

    @property
    def _name(self) -> str:
        return f"{self.archive}!{self.member}" if self.archive else self.member

    def sha256(self) -> str:
        """Return the SHA-256 of the model's file and the files it refers to, if present, with their relative names.

        It is computed once: if files change later, `read` gives what they held before, or an AssetError.
        """
        if not self._content:
            with self._named(), time_limit(SECONDS):
                self._content = self._checksum(CachedTree(self._tree()))
        return self._content

    def read(self) -> Mesh:
        """Read the normalised mesh (see `ModelSource.read`). Whatever is wrong is an AssetError naming the file."""
        cached = load_model(self._content, self.id) if self._content else None
        if cached is not None:
            return cached
        with self._named():
            with time_limit(SECONDS):
                tree = CachedTree(self._tree())
                content = self._checksum(tree)
            if self._content not in ("", content):
                raise AssetError("expected the files as they were when the models were listed, found them changed")
            self._content = content
            mesh = load_model(content, self.id)
            if mesh is None:
                with time_limit(SECONDS):
                    mesh = self._parsed(tree)
                keep_model(content, mesh)
        return mesh

    @np.errstate(all="ignore")
    def parts(self) -> list[Part]:
        """Read the file as it is, before anything is turned, cleaned and normalised; errors as in `read`."""
        with self._named(), time_limit(SECONDS):
            parts = self._read_parts(self._tree())[0]
            visible_parts(parts)  # raises AssetError if there are none
            return parts

    @np.errstate(all="ignore")
    def examine(self) -> Examination:
        """Read the file as it is, and see that `read` makes a mesh of it; errors as there."""
        with self._named(), time_limit(SECONDS):
            tree = CachedTree(self._tree())
            parts, remarks = self._read_parts(tree)
            turn = _turn(tree, self.member, parts)
            self._mesh(parts, turn)
        return Examination(parts, turn is not None, remarks)

    @np.errstate(all="ignore")  # what overflows or is not a number is looked for, or dropped
    def _parsed(self, tree: FileTree) -> Mesh:
        parts, remarks = self._read_parts(tree)
        return replace(self._mesh(parts, _turn(tree, self.member, parts)), remarks=remarks)

    def _read_parts(self, tree: FileTree) -> tuple[list[Part], tuple[str, ...]]:
        remarks: list[str] = []
        parts = FORMATS[_suffix(self.member)][0](tree, self.member, remarks)
        return parts, shortened([*remarks, *remarks_on(parts)])

    def _mesh(self, parts: list[Part], turn: NDArray[np.float64] | None) -> Mesh:
        mesh = mesh_of_parts(self.id, parts, turn)
        for surface in mesh.surfaces:
            check_surface(surface, self.id)
        return mesh

    def _checksum(self, tree: FileTree) -> str:
        others = FORMATS[_suffix(self.member)][1](tree, self.member)
        turn = _known_turn(tree, self.member)
        digest = hashlib.sha256(b"" if turn is None else turn.tobytes())
        for name in [self.member, *sorted(set(others) - {self.member})]:
            try:
                content = tree.read(name)
            except AssetError as error:  # a texture that is too large, say, which the model is drawn without
                if name == self.member:
                    raise
                content = str(error).encode()
            relative = posixpath.relpath(name, posixpath.dirname(self.member) or ".")
            digest.update(f"{relative} {len(content)}\n".encode("utf-8", "replace"))
            digest.update(content)
        return digest.hexdigest()

    def _tree(self) -> FileTree:
        return open_library(self.root / self.archive) if self.archive else Folder(self.root)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn whatever the body raises into an AssetError that starts with the path of the model."""
        place = self.root / self._name
        try:
            yield
        except AssetError as error:
            message = str(error).removeprefix(f"{self.member}: ").removeprefix(f"{place}: ")
            raise type(error)(f"{place}: {message}") from error
        except Exception as error:  # the file is untrusted: any way it breaks a reader is its fault
            kind = type(error).__name__
            found = " ".join(f"{kind}: {error}".split())[:300]
            raise AssetError(f"{place}: expected a readable {_suffix(self.member)} model, found {found}") from error


def find_models(path: Path, matching: str = "") -> tuple[list[CadModel], list[AssetError]]:
    """Find all models in `path`, sorted by id, and the errors of libraries and folders inside it that cannot be opened.

    Raises AssetError if `path` itself is missing or cannot be opened, or if no model is found in it.

    path      a folder (searched with its subfolders and zip libraries), a zip library, or one model
    matching  a regular expression: only models whose id, or whose name, tags and category in a Sweet Home 3D catalog,
              hold a match in any letter case. Libraries of furniture hold more than chairs
    """
    pattern = _pattern(matching)
    root, names, closed = _listed(path)
    unreadable = _left_out(root, closed)
    models: list[CadModel] = []
    for archive in ("", *(name for name in names if _suffix(name) in ZIP_SUFFIXES)):
        tree_place = root / archive
        try:
            tree = open_library(tree_place) if archive else Folder(root)
            catalog = read_catalog(tree) if matching else {}
            members = tree.names() if archive else names
        except AssetError as error:
            if tree_place == path:
                raise
            unreadable.append(AssetError(f"{tree_place}: {str(error).removeprefix(f'{tree_place}: ')}"))
            continue
        if archive:
            unreadable += _left_out(tree_place, tree.closed, "!")
        for member in members:
            words = catalog[member].words if member in catalog else ""
            name = f"{archive}!{member}" if archive else member
            if _suffix(member) in FORMATS and pattern.search(f"{name} {words}"):
                models.append(CadModel(root, archive, member))
    if not models:
        wanted = f" matching {matching!r}" if matching else ""
        first = f"; first error: {unreadable[0]}" if unreadable else ""
        raise AssetError(f"{path}: expected {ACCEPTED}{wanted}, found none among {len(names)} files{first}")
    return sorted(_in_collections(models), key=lambda model: model.id), unreadable


def _left_out(place: Path, closed: dict[str, str], separator: str = "/") -> list[AssetError]:
    """Return an error for each of the closed names that may be a model, a library or a folder of them."""
    accepted = ("", *FORMATS, *ZIP_SUFFIXES)
    named = sorted((name, why) for name, why in closed.items() if _suffix(name) in accepted)
    return [AssetError(f"{place}{separator}{name}: cannot be read: {why}") for name, why in named]


def _listed(path: Path) -> tuple[Path, list[str], dict[str, str]]:
    """Return the folder that bounds what is read, the names in it, and folder -> why it could not be listed."""
    try:
        if path.is_dir():
            tree = Folder(path)
            names = tree.names()
            if "." in tree.closed:
                raise AssetError(f"{path}: expected a folder of models, found: {tree.closed['.']}")
            return path, names, tree.closed
        if path.is_file():
            return path.parent, [path.name], {}
    except (OSError, ValueError) as error:
        raise AssetError(f"{path}: expected {ACCEPTED}, or a folder of them, found: {error}") from None
    raise AssetError(f"{path}: expected {ACCEPTED}, or a folder of them, found nothing there")


def _in_collections(models: list[CadModel]) -> list[CadModel]:
    """Give models that are part of a known collection the ids and the bounds that they have there."""
    places = [None if model.archive else place_in_collection(model.root, model.member) for model in models]
    ids = Counter(place.id for place in places if place)
    known = []
    for model, place in zip(models, places, strict=True):
        if place:
            name = place.id if ids[place.id] == 1 else model.member
            model = CadModel(place.root, "", place.member, known_as=name)
        known.append(model)
    return known


def _pattern(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.IGNORECASE)
    except re.error as error:
        expected = "`match`: expected a regular expression such as 'chair|stool'"
        raise AssetError(f"{expected}, found {expression!r}: {error}") from None


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _turn(tree: FileTree, name: str, parts: list[Part]) -> NDArray[np.float64] | None:
    """Return the rotation that makes the model, read as `parts`, stand upright and face +Z; None for none.

    A library or collection that says it is believed. Elsewhere the shape decides if it speaks clearly; a format that
    mostly has Z up is turned by that first.
    """
    known = _known_turn(tree, name)
    if read_catalog(tree).get(name) is not None or is_aligned(name):
        return known
    positions, triangles = joined(visible_parts(parts))
    found = turn_upright(positions if known is None else positions @ known.T, triangles)
    return known if found is None else found if known is None else found @ known


def _known_turn(tree: FileTree, name: str) -> NDArray[np.float64] | None:
    """Return the turn that the model's library or collection tells."""
    listed = read_catalog(tree).get(name)
    return listed.turn if listed is not None else turn_of_collection(name)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise AssetError in the body once this process has spent `seconds` of processor time in it.

    A timer signal interrupts whatever Python code is running, in our readers or in a library's; a single call into C
    ends first, and those are bounded by the limits on sizes. Processor time, not the clock's: whether a model is
    readable must not depend on how busy the machine is. Signals reach the main thread only, which is where workers
    read their models; in other threads, or where a profiler uses the same timer, there is no limit.
    """
    taken = signal.getsignal(signal.SIGPROF) != signal.SIG_DFL or signal.getitimer(signal.ITIMER_PROF)[0] > 0
    if taken or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfTime(f"expected a model that is read in {seconds:g} s, found it unfinished after that")

    signal.signal(signal.SIGPROF, stop)
    again = min(seconds, 1.0)  # should a library swallow the exception
    signal.setitimer(signal.ITIMER_PROF, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
