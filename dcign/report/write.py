"""What `dcign evaluate` leaves: report.json for machines, report.html for people, and the pictures in it as PNGs."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from dcign.evaluation import charts
from dcign.evaluation.evidence.types import Evidence, Figure
from dcign.evaluation.measures import Evaluation
from dcign.images.drawing import png
from dcign.report.examples import draw_examples
from dcign.report.headline import headlines
from dcign.report.pages import html
from dcign.runs.run import Run
from render.files import write_file
from render.shards import DataSet


def write_report(
    run: Run, data: DataSet, evaluation: Evaluation, evidence: Mapping[str, Evidence], folder: Path, command: str
) -> Path:
    """Writes report.json, report.html, sweeps.png, scatter.png, spearman.png and the figures of `evidence` into
    `folder`, each atomically.

    A code without latents of an angle's own has no scatter.png, one without single ones no spearman.png.
    `command` is the command line to show. Returns the path of the page. Failure when the disk refuses.
    """
    measures = evaluation.measures
    codes, degrees = evaluation.encoding.codes, evaluation.encoding.degrees
    latents = {name: evaluation.knobs.own(codes, name) for name in evaluation.knobs.groups if name in degrees}
    pictures = {"sweeps": png(draw_examples(run, data, evaluation))}
    if latents:
        pictures["scatter"] = charts.scatter(degrees, latents, evaluation.calibration.curves, measures)
    if measures["spearman"]["matrix"]:
        pictures["spearman"] = charts.heat_map(measures["spearman"]["matrix"])
    lines = headlines(measures, evidence)
    sections = [kind.section for kind in evidence.values() if kind.section is not None]
    document = {
        **measures,
        "evidence": {name: kind.measures for name, kind in evidence.items()},
        "headline": [vars(line) for line in lines],
        "made": {
            "command": command,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "config": run.config.to_json(),
            "training_data": run.data,
            "versions": versions(),
        },
    }
    page = html(document, lines, pictures, sections, command)  # before the first file is written: all of it or nothing
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    figures = [part for section in sections for part in section.parts if isinstance(part, Figure)]
    for name, content in {**pictures, **{figure.name: figure.png for figure in figures}}.items():
        write_file(folder / f"{name}.png", content)
    write_file(folder / "report.json", text.encode())
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def versions() -> dict[str, str]:
    """Of Python and the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("dcign", "torch", "numpy", "scipy", "pillow", "matplotlib", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
