"""Records that a run keeps of its training data: whom it was trained on, and how the images were drawn.

identities.npy   the keys of all identities it is trained on (`render.shards.data_set`), (n,) uint64: identities are
                 compared, not file names, to tell if it is tested on those
rendering.json   a manifest of shards (`render.shards.manifest`) that lists none, so that more can be drawn by its
                 settings where the shards are not
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from assets.files import write_file
from dcign.errors import RunError
from dcign.runs.run import Run
from render.errors import ShardError
from render.shards.data_set import DataSet, identity_keys, key_array, open_data_set
from render.shards.manifest import Manifest, read_manifest_file
from render.shards.shard_file import read_array_header

IDENTITIES_FILE = "identities.npy"
RENDERING_FILE = "rendering.json"


def write_identities(folder: Path, data: DataSet) -> None:
    """Keep in a run folder whom it is trained on, unless it is there."""
    path = folder / IDENTITIES_FILE
    if not path.exists():
        buffer = io.BytesIO()
        np.save(buffer, key_array(identity_keys(data)), allow_pickle=False)
        write_file(path, buffer.getvalue())


def trained_on(run: Run, data: DataSet) -> list[int] | None:
    """Return the identities of `data` that the run was trained on; None where that is not known any more.

    Runs that kept no identities are asked for their training shards. RunError for a damaged file.
    """
    keys = _kept(run.folder / IDENTITIES_FILE)
    if keys is None:
        keys = _from_shards(run)
    if keys is None:
        return None
    return [identity for identity, key in identity_keys(data).items() if np.uint64(key) in keys]


def _kept(path: Path) -> set[np.uint64] | None:
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        header = io.BytesIO(content)
        shape, _, dtype = read_array_header(header)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected the identities of a training set, found {error}") from None
    if dtype != np.uint64 or len(shape) != 1 or header.tell() + 8 * shape[0] != len(content):
        raise RunError(f"{path}: expected (n,) uint64 that fill the file, found {dtype} of shape {shape}")
    return set(np.frombuffer(content, np.uint64, offset=header.tell()))


def _from_shards(run: Run) -> set[np.uint64] | None:
    try:
        data = open_data_set(Path(str(run.data.get("folder"))), "train")
    except ShardError:
        return None
    return set(key_array(identity_keys(data))) if data.fingerprint == run.data.get("fingerprint") else None


def write_rendering(folder: Path, data: DataSet) -> None:
    """Keep in a run folder how its training data were drawn, unless it is there."""
    if not (folder / RENDERING_FILE).exists():
        Manifest(data.manifest.settings).write(folder, RENDERING_FILE)


def rendering_of(run: Run) -> DataSet | None:
    """Return the settings of the data that `run` was trained on, as a data set without mini-batches; None if not known.

    Runs that kept none are asked for their training shards. RunError for a damaged file.
    """
    path = run.folder / RENDERING_FILE
    if not path.is_file():
        try:
            return _as_data_set(run, open_data_set(Path(str(run.data.get("folder"))), "train").manifest)
        except ShardError:
            return None
    try:
        found = _as_data_set(run, read_manifest_file(path))
    except ShardError as error:
        raise RunError(str(error)) from None
    if found is None:
        raise RunError(f"{path}: expected how the training data of this run were drawn, found that of others")
    return found


def _as_data_set(run: Run, manifest: Manifest) -> DataSet | None:
    alike = manifest.fingerprint == run.data.get("fingerprint")
    return DataSet(run.folder, "test", Manifest(manifest.settings)) if alike else None
