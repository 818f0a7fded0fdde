"""How the training data of a run were drawn, kept with the run so that more can be drawn where the shards are not.

`rendering.json` in a run folder is a manifest of shards (`render.manifest`) that lists none.
"""

from __future__ import annotations

from pathlib import Path

from dcign.errors import RunError
from dcign.runs.run import Run
from render.errors import ShardError
from render.manifest import Manifest, read_one
from render.shards import DataSet, open_data_set

RENDERING_FILE = "rendering.json"


def write_rendering(folder: Path, data: DataSet) -> None:
    """Keep in a run folder how its training data were drawn, unless it is there."""
    if not (folder / RENDERING_FILE).exists():
        Manifest(data.manifest.settings).write(folder, RENDERING_FILE)


def rendering_of(run: Run) -> DataSet | None:
    """The settings of the data that `run` was trained on, as a data set without mini-batches; None if not known.

    Runs that kept none are asked for their training shards. RunError for a damaged file.
    """
    path = run.folder / RENDERING_FILE
    if not path.is_file():
        try:
            return _of(run, open_data_set(Path(str(run.data.get("folder"))), "train").manifest)
        except ShardError:
            return None
    try:
        found = _of(run, read_one(path))
    except ShardError as error:
        raise RunError(str(error)) from None
    if found is None:
        raise RunError(f"{path}: expected how the training data of this run were drawn, found that of others")
    return found


def _of(run: Run, manifest: Manifest) -> DataSet | None:
    alike = manifest.fingerprint == run.data.get("fingerprint")
    return DataSet(run.folder, "test", Manifest(manifest.settings)) if alike else None
