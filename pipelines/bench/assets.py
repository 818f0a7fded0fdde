"""`dcign bench assets`: seconds and peak memory of opening face models and chairs, each in a process of its own; then
what our readers of CAD models and `trimesh.load` make of the same files."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from pipelines.bench.measuring import JSON_OUTPUT, write_json
from render.errors import BadInput, Failure

# Run in a fresh process: opens one asset and prints what that took.
OPENING = """
import json, re, sys, time
from pathlib import Path
import assets.chairs.catalog
from assets.faces.catalog import FaceSampling
from pipelines.catalogs import kind_at, open_catalog
path = Path(sys.argv[1])
started = time.perf_counter()
catalog = open_catalog(kind_at(path), path, FaceSampling(expressions=True))
seconds = time.perf_counter() - started
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # of this program alone
print(json.dumps({"seconds": seconds, "peak_bytes": peak, "models": len(catalog.models), "parts": catalog.parts}))
"""


@click.command(name="assets", context_settings={"show_default": True})
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@JSON_OUTPUT
def command(paths: tuple[Path, ...], output: Path | None) -> None:
    """Time the opening of face models and chairs, checksum included, and its peak memory.

    CAD models are then read once more as they are, by our readers and by `trimesh.load`: triangles, relative
    differences of the area and the bounding box, and milliseconds.

    PATHS are files or folders as for `dcign render --assets`. Without any, synthetic Basel models of the full size
    (53,490 vertices; 199 shape, 199 albedo and 100 expression modes) and four small CAD models of known size, on which
    readers differ, are written to a temporary folder.

    \b
    Examples:
      dcign bench assets
      dcign bench assets furniture/ face.h5 -o assets.json
    """
    from assets.cad.models import find_models
    from pipelines.bench.mesh_readers import compare, compare_examples
    from pipelines.catalogs import kind_at

    with tempfile.TemporaryDirectory() as folder:
        if not paths:
            from pipelines.bench.inputs import write_full_size

            click.echo("Writing synthetic Basel models of the full size.")
            rows = [_opened(path) for path in write_full_size(Path(folder))]
            readers = compare_examples(Path(folder))
        else:
            rows = [_opened(path) for path in paths]
            models = [model for path in paths if kind_at(path) == "chair" for model in find_models(path)[0]]
            readers = compare(models) if models else []
    versions = {"python": platform.python_version(), "machine": platform.platform()}
    write_json(output, {"opening": rows, "readers": readers, **versions})


def _opened(path: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", OPENING, str(path)], capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"
        raise (BadInput if "Error" in last else Failure)(f"{path}: could not be opened: {last}")
    row: dict[str, Any] = {"path": path.name, **json.loads(done.stdout.splitlines()[-1])}
    parts = ", ".join(f"{n} {part}" for part, n in row["parts"].items() if n) or f"{row['models']} models"
    click.echo(f"{row['path']:<28} {row['seconds']:7.2f} s  {row['peak_bytes'] / 2**20:7.0f} MiB  {parts}")
    return row
