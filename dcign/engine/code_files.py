"""Graphics codes on disk, as JSON, CSV or NPZ by the end of the name. Each gives back the same float32 numbers.

    .json  {"format": "dcign-codes", "version": 1, "latents": [Z names], "run": folder, "step": updates,
            "fingerprint": of the training data, "images": [N names], "codes": [[Z numbers], ...]}
    .csv   a header, image and the Z names; a line for each code
    .npz   written by `numpy.savez`: codes float32 (N, Z), latents (Z,) and images (N,) str; run, fingerprint str () and
           step int64 ()

`images`, `run`, `step` and `fingerprint` may be absent, and CSV has but the first. Numbers are written in the fewest
digits that tell them from the next float32. Files are untrusted: sizes are checked before memory is spent on them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.files import write_file
from dcign.errors import BadInput
from render.shards.shard_file import read_array_header

SUFFIXES = (".json", ".csv", ".npz")
NAME, VERSION = "dcign-codes", 1
LARGEST_TEXT = 128 * 2**20  # bytes of JSON or CSV, about 60,000 codes of 200
LARGEST_NPZ = 256 * 2**20


@dataclass(frozen=True, eq=False)
class CodeFile:
    """Codes and where they come from.

    codes        (N, Z) float32, finite, N >= 1
    latents      Z names
    images       names of what was encoded, N of them or none
    run, step, fingerprint   the run folder, its updates and its training data; None where the file does not tell
    """

    codes: NDArray[np.float32]
    latents: tuple[str, ...]
    images: tuple[str, ...] = ()
    run: str | None = None
    step: int | None = None
    fingerprint: str | None = None


def check_suffix(path: Path) -> str:
    """Return the suffix of a name, '.json', '.csv' or '.npz'; BadInput for another."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(f"{path}: expected a file of codes whose name ends in .json, .csv or .npz")
    return suffix


def write_codes(path: Path, file: CodeFile) -> None:
    """Write `file` to `path`, whole or not at all. BadInput for more codes than the form may hold."""
    suffix = check_suffix(path)
    content = {".json": _to_json, ".csv": _to_csv, ".npz": _to_npz}[suffix](_encodable(file))
    if len(content) > _largest(suffix):
        hint = "" if suffix == ".npz" else "; write .npz"
        raise BadInput(f"{path}: {len(file.codes)} codes are more than a {suffix} file may hold{hint}")
    write_file(path, content)


def read_codes(path: Path, latents: Sequence[str]) -> CodeFile:
    """Read codes that have these `latents` (Z names). BadInput names the file, what was expected and what was found."""
    suffix = check_suffix(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BadInput(f"{path}: expected a file of codes, found something else")
        if size > _largest(suffix):
            raise BadInput(f"{path}: expected at most {_largest(suffix)} bytes of {suffix}, found {size}")
        reader = {".json": _from_json, ".csv": _from_csv, ".npz": _from_npz}[suffix]
        file = reader(path, tuple(latents))
    except FileNotFoundError:
        raise BadInput(f"{path}: expected a file of codes, found no such file") from None
    except (OSError, UnicodeDecodeError, RecursionError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as codes ({error})") from None
    if len(file.codes) == 0:
        raise BadInput(f"{path}: expected at least one code, found none")
    if not np.isfinite(file.codes).all():
        raise BadInput(f"{path}: expected finite numbers, found NaN, infinity or beyond float32")
    if file.images and len(file.images) != len(file.codes):
        raise BadInput(f"{path}: expected a name of each of {len(file.codes)} codes, found {len(file.images)}")
    return file


def _largest(suffix: str) -> int:
    return LARGEST_NPZ if suffix == ".npz" else LARGEST_TEXT


def _check_latents(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    if len(found) != len(expected):
        raise BadInput(f"{path}: expected codes of {len(expected)} latents, as the run has, found {len(found)}")
    for ours, theirs in zip(expected, found, strict=True):
        if ours != theirs:
            raise BadInput(f"{path}: expected latent {ours}, as the run has it, found {theirs!r:.60}")


def _encodable(file: CodeFile) -> CodeFile:
    """Without the lone surrogates that stand for undecodable bytes in names of files: UTF-8 has no place for them."""
    latents, images = (tuple(map(_plain, names)) for names in (file.latents, file.images))
    return replace(file, latents=latents, images=images, run=None if file.run is None else _plain(file.run))


def _plain(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


# JSON ----------------------------------------------------------------------------------------------------------------


def _to_json(file: CodeFile) -> bytes:
    head = {
        "format": NAME,
        "version": VERSION,
        "latents": file.latents,
        "run": file.run,
        "step": file.step,
        "fingerprint": file.fingerprint,
        "images": file.images,
    }
    lines = ",\n".join(f"  [{', '.join(map(str, row))}]" for row in file.codes)  # str of float32: the fewest digits
    head_text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{head_text},\n "codes": [\n{lines}\n ]\n}}\n'.encode()


def _from_json(path: Path, latents: tuple[str, ...]) -> CodeFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path}: expected JSON, found something else ({error})") from None
    if not isinstance(content, dict) or content.get("format") != NAME:
        raise BadInput(f'{path}: expected "format": "{NAME}", found another JSON file')
    if content.get("version") != VERSION:
        raise BadInput(f"{path}: expected version {VERSION} of {NAME}, found {content.get('version')!r:.60}")
    _check_latents(path, _names(path, content, "latents"), latents)
    images = _names(path, content, "images")
    rows = content.get("codes")
    if not isinstance(rows, list):
        raise BadInput(f"{path}: expected codes as a list of lists of numbers, found {rows!r:.60}")
    codes = np.empty((len(rows), len(latents)), np.float32)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(latents):
            found = len(row) if isinstance(row, list) else f"{row!r:.60}"
            raise BadInput(f"{path}: expected {len(latents)} numbers in code {number}, found {found}")
        if not all(type(value) in (int, float) for value in row):
            raise BadInput(f"{path}: expected nothing but numbers in code {number}, found something else")
        codes[number] = _as_float32(f"{path}, code {number}", row)
    run, step, fingerprint = (content.get(key) for key in ("run", "step", "fingerprint"))
    if not (isinstance(run, str | None) and isinstance(fingerprint, str | None) and type(step) in (int, type(None))):
        raise BadInput(f"{path}: expected run and fingerprint as text and step as a whole number, found otherwise")
    return CodeFile(codes, latents, images, run, step, fingerprint)


def _names(path: Path, content: dict[str, Any], key: str) -> tuple[str, ...]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadInput(f"{path}: expected {key} as a list of names, found {value!r:.60}")
    return tuple(value)


def _as_float32(place: str, values: Sequence[Any]) -> NDArray[np.float32]:
    """Numbers, or their digits, as float32, infinite beyond its range. BadInput names `place`."""
    try:
        with np.errstate(over="ignore"):
            return np.array([float(value) for value in values]).astype(np.float32)
    except (ValueError, OverflowError):
        raise BadInput(f"{place}: expected numbers, found something else") from None


# CSV -----------------------------------------------------------------------------------------------------------------


def _to_csv(file: CodeFile) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *file.latents])
    images = file.images or [""] * len(file.codes)
    writer.writerows([name, *map(str, row)] for name, row in zip(images, file.codes, strict=True))
    return text.getvalue().encode()


def _from_csv(path: Path, latents: tuple[str, ...]) -> CodeFile:
    with open(path, encoding="utf-8-sig", newline="") as text:  # spreadsheets put a byte order mark before it
        lines = csv.reader(text)
        header = next(lines, [])
        named = header[:1] == ["image"]
        _check_latents(path, header[named:], latents)
        codes, images = [], []
        for line in lines:
            if not line:
                continue
            if len(line) != len(header):
                raise BadInput(f"{path}:{lines.line_num}: expected {len(header)} columns, found {len(line)}")
            codes.append(_as_float32(f"{path}:{lines.line_num}", line[named:]))
            images.append(line[0])
    return CodeFile(np.array(codes, np.float32), latents, tuple(images) if named else ())


# NPZ -----------------------------------------------------------------------------------------------------------------

_FLOAT, _INT, _TEXT = "float32", "int64", "text"
_MEMBERS = {  # name -> type, axes
    "codes": (_FLOAT, 2),
    "latents": (_TEXT, 1),
    "images": (_TEXT, 1),
    "run": (_TEXT, 0),
    "step": (_INT, 0),
    "fingerprint": (_TEXT, 0),
}


def _to_npz(file: CodeFile) -> bytes:
    members: dict[str, Any] = {"codes": np.asarray(file.codes, np.float32), "latents": np.array(file.latents)}
    if file.images:
        members["images"] = np.array(file.images)
    origin = {"run": file.run, "step": file.step, "fingerprint": file.fingerprint}
    members |= {name: np.array(value) for name, value in origin.items() if value is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    return buffer.getvalue()


def _from_npz(path: Path, latents: tuple[str, ...]) -> CodeFile:
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _read_member(path, archive, name) for name in _member_names(path, archive)}
        found = {name: array.tolist() for name, array in arrays.items() if name != "codes"}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, SyntaxError) as error:
        raise BadInput(f"{path}: expected a whole .npz file of plain arrays, found another ({error})") from None
    _check_latents(path, found["latents"], latents)
    codes = arrays["codes"]
    if codes.shape[1] != len(latents):
        raise BadInput(f"{path}: expected codes of shape (N, {len(latents)}), as the run has, found {codes.shape}")
    origin = (found.get(name) for name in ("run", "step", "fingerprint"))
    return CodeFile(codes, latents, tuple(found.get("images", ())), *origin)


def _member_names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    files = archive.namelist()
    strange = [file for file in files if file not in {f"{name}.npy" for name in _MEMBERS}]
    if strange or len(set(files)) < len(files):
        found = f"{strange[0]!r:.60}" if strange else "one twice"
        raise BadInput(f"{path}: expected members {', '.join(_MEMBERS)}, once each, found {found}")
    missing = [name for name in ("codes", "latents") if f"{name}.npy" not in files]
    if missing:
        raise BadInput(f"{path}: expected members codes and latents, found no {missing[0]}")
    return [name for name in _MEMBERS if f"{name}.npy" in files]


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array of the file, once its header has been found to fit the size of its member."""
    kind, axes = _MEMBERS[name]
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise BadInput(f"{path}: expected stored members, as np.savez writes them, found {name} compressed")
    with archive.open(entry) as stream:
        shape, fortran, dtype = read_array_header(stream)
        fits = dtype.kind == "U" and dtype.itemsize > 0 if kind == _TEXT else dtype == np.dtype(kind)
        if not fits or len(shape) != axes:
            was = "objects (a pickle)" if dtype.hasobject else dtype
            raise BadInput(f"{path}: expected {name} as {kind} with {axes} axes, found {was} of shape {shape}")
        size = math.prod(shape) * dtype.itemsize  # Python integers: a hostile shape cannot overflow
        if stream.tell() + size != entry.file_size:
            raise BadInput(f"{path}: expected {name} of shape {shape} to fill its member of {entry.file_size} bytes")
        flat = np.frombuffer(stream.read(size), dtype)
    return flat.reshape(shape, order="F" if fortran else "C").copy()  # writable
