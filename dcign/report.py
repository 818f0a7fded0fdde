"""What `dcign evaluate` leaves: report.json for machines, report.html for people, and the pictures in it as PNGs."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from dcign import charts
from dcign.evaluation import Evaluation
from dcign.examples import draw_examples
from dcign.headline import headlines
from dcign.manipulate import extrinsic_groups, own_latents
from dcign.page import html
from dcign.pictures import png
from dcign.run import Run
from render.files import write_file
from render.shards import DataSet


def write_report(run: Run, data: DataSet, evaluation: Evaluation, folder: Path, command: str) -> Path:
    """Writes report.json, report.html, sweeps.png, scatter.png and spearman.png into `folder`, each atomically.

    A code without latents of an angle's own has no scatter.png, one without single ones no spearman.png.
    `command` is the command line to show. Returns the path of the page. Failure when the disk refuses.
    """
    measures = evaluation.measures
    codes, degrees = evaluation.encoding.codes, evaluation.encoding.degrees
    latents = {n: own_latents(run.layout, codes, n) for n in extrinsic_groups(run.layout) if n in degrees}
    pictures = {"sweeps": png(draw_examples(run, data, evaluation))}
    if latents:
        pictures["scatter"] = charts.scatter(degrees, latents, evaluation.calibration.curves, measures)
    if measures["spearman"]["matrix"]:
        pictures["spearman"] = charts.heat_map(measures["spearman"]["matrix"])
    lines = headlines(measures)
    document = {
        **measures,
        "headline": [vars(line) for line in lines],
        "made": {
            "command": command,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "config": run.config.to_json(),
            "training_data": run.data,
            "versions": versions(),
        },
    }
    page = html(document, lines, pictures)  # before the first file is written: all of it or nothing
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    for name, content in pictures.items():
        write_file(folder / f"{name}.png", content)
    write_file(folder / "report.json", text.encode())
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def versions() -> dict[str, str]:
    """Of Python and the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("dcign", "torch", "numpy", "scipy", "pillow", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
