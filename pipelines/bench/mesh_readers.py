"""Our readers of CAD models beside `trimesh.load`: triangles, areas, boxes and times of the same files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import trimesh
from numpy.typing import NDArray

from assets.cad.models import SECONDS, CadModel, time_limit
from assets.cad.parts import joined
from pipelines.console import printable

TURNS = 5  # of each reader; the quickest counts
READERS = ("ours", "trimesh")
SAME = 1e-4  # of the area, and of the box's diagonal: floats are written with 5 digits and more

TURNED_BOX = """<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><up_axis>Z_UP</up_axis></asset>
<library_geometries><geometry id="g"><mesh>
<source id="p"><float_array id="a" count="24">0 0 0 1 0 0 1 2 0 0 2 0 0 0 3 1 0 3 1 2 3 0 2 3</float_array>
<technique_common><accessor source="#a" count="8" stride="3"><param name="X" type="float"/>
<param name="Y" type="float"/><param name="Z" type="float"/></accessor></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<polylist count="6"><input semantic="VERTEX" source="#v" offset="0"/><vcount>4 4 4 4 4 4</vcount>
<p>0 3 2 1 4 5 6 7 0 1 5 4 1 2 6 5 2 3 7 6 3 0 4 7</p></polylist></mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node id="n"><instance_geometry url="#g"/></node></visual_scene>
</library_visual_scenes><scene><instance_visual_scene url="#s"/></scene></COLLADA>
"""
# File -> its text, its area, and the two corners of its box with +Y up
EXAMPLES: dict[str, tuple[str, float, list[list[float]]]] = {
    "box.off": (
        "OFF\n8 6 0\n0 0 0\n1 0 0\n1 2 0\n0 2 0\n0 0 3\n1 0 3\n1 2 3\n0 2 3\n"
        "4 0 3 2 1\n4 4 5 6 7\n4 0 1 5 4\n4 1 2 6 5\n4 2 3 7 6\n4 3 0 4 7\n",
        22.0,
        [[0, 0, 0], [1, 2, 3]],
    ),
    "concave.obj": (  # an L, from a corner that does not see all others
        "v 2 0 0\nv 2 1 0\nv 1 1 0\nv 1 2 0\nv 0 2 0\nv 0 0 0\nf 1 2 3 4 5 6\n",
        3.0,
        [[0, 0, 0], [2, 2, 0]],
    ),
    "negative.obj": (  # counted back from the line that says so, not from the end of the file
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 4 0 5\nv 0 4 5\nf -3 -2 -1\n",
        8.5,
        [[0, 0, 0], [4, 4, 5]],
    ),
    "z-up.dae": (TURNED_BOX, 22.0, [[0, 0, -2], [1, 3, 0]]),
}


@dataclass(frozen=True, eq=False)
class Shape:
    """The mesh that a reader made of a file, before anything is normalised.

    box      (2, 3) the least and the greatest corner of what the triangles cover
    seconds  that reading took
    """

    triangles: int
    area: float
    box: NDArray[np.float64]
    seconds: float


def compare_examples(folder: Path) -> list[dict[str, Any]]:
    """Write the EXAMPLES, on which readers are known to differ, into `folder`, compare both, say who is right."""
    for name, (text, _, _) in EXAMPLES.items():
        (folder / name).write_text(text)
    rows = compare(CadModel(folder, "", name) for name in EXAMPLES)
    for row in rows:
        _, area, box = EXAMPLES[row["path"]]
        row["right"] = [name for name in READERS if _is(row[name], area, box)]
        click.echo(f"{row['path']:<34}read rightly by {' and '.join(row['right']) or 'none'}")
    return rows


def _is(found: str | dict[str, Any], area: float, box: list[list[float]]) -> bool:
    return not isinstance(found, str) and np.isclose(found["area"], area) and np.allclose(found["box"], box)


def compare(models: Iterable[CadModel]) -> list[dict[str, Any]]:
    """Read each model with both, print a line for it, and return the lines as plain data; those in a zip are left out.

    `same` tells whether area and box are, or is None where a reader refuses the file: its error then stands in `ours`
    or `trimesh`.
    """
    click.echo(f"\n{'ours, then trimesh.load':<34}{'triangles':>18}{'area off':>10}{'box off':>10}{'ms':>18}")
    rows = [_compare(model) for model in models if not model.archive]
    differing, refused = (sum(row["same"] is same for row in rows) for same in (False, None))
    click.echo(f"{len(rows)} models: {differing} differ in area or box, {refused} refused by one of the two")
    return rows


def _compare(model: CadModel) -> dict[str, Any]:
    ours, theirs = read_shape(lambda: _ours(model)), read_shape(lambda: _theirs(model.root / model.member))
    row: dict[str, Any] = {"path": model.id, "same": None}
    shown = printable(model.id)[-33:]
    for name, found in zip(READERS, (ours, theirs), strict=True):
        row[name] = found if isinstance(found, str) else {**vars(found), "box": found.box.tolist()}
    if isinstance(ours, str) or isinstance(theirs, str):
        refused = "; ".join(f"{name}: {row[name]}" for name in READERS if isinstance(row[name], str))
        click.echo(f"{shown:<34}refused by {refused}")
        return row
    row["area_difference"] = abs(ours.area - theirs.area) / max(ours.area, theirs.area, 1e-300)
    diagonal = max(float(np.linalg.norm(np.ptp(each.box, axis=0))) for each in (ours, theirs))
    row["box_difference"] = float(np.abs(ours.box - theirs.box).max()) / max(diagonal, 1e-300)
    row["same"] = max(row["area_difference"], row["box_difference"]) <= SAME
    counts = f"{ours.triangles:,} {theirs.triangles:,}"
    times = f"{1e3 * ours.seconds:.1f} {1e3 * theirs.seconds:.1f}"
    click.echo(f"{shown:<34}{counts:>18}{row['area_difference']:>10.1%}{row['box_difference']:>10.1%}{times:>18}")
    return row


def read_shape(read: Callable[[], tuple[NDArray[np.float64], NDArray[np.integer]]]) -> Shape | str:
    """Measure what `read` gives, positions (V, 3) and triangles (F, 3); the error where it fails, in one line."""
    times = []
    try:
        for _ in range(TURNS):
            started = time.perf_counter()
            with time_limit(SECONDS):
                positions, triangles = read()
            times.append(time.perf_counter() - started)
        corners = positions[triangles]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        if not np.isfinite(area):
            raise ValueError(f"expected finite positions, found an area of {area}")
        box = np.stack([corners.min(axis=(0, 1)), corners.max(axis=(0, 1))])
    except Exception as error:  # a reader may raise anything
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Shape(len(triangles), float(area), box, min(times))


def _ours(model: CadModel) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    return joined(model.parts())


def _theirs(path: Path) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    mesh = trimesh.load_mesh(path, process=False)
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
