"""The report of `dcign evaluate`: report.json for machines, report.html for people, and the pictures in it as PNGs."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.files import write_file
from dcign.engine.codes import decode, sweep
from dcign.engine.curves import FactorCurve
from dcign.engine.drawing import Row, Tile, draw_rows, png, readable_scale, value_text
from dcign.evaluation import charts
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.evidence.types import Evidence, Figure
from dcign.evaluation.measures import Evaluation
from dcign.report.headline import headlines
from dcign.report.pages import report_page
from dcign.runs.run import Run
from render.shards.data_set import DataSet
from render.shards.labels import Label

OBJECTS, FRAMES = 4, 9  # of the sweeps


def write_report(
    run: Run, data: DataSet, evaluation: Evaluation, evidence: Mapping[str, Evidence], folder: Path, command: str
) -> Path:
    """Write report.json, report.html, sweeps.png, scatter.png, spearman.png and the figures of `evidence` into
    `folder`, each atomically.

    A code without latents of a factor's own has no scatter.png, one without single ones no spearman.png.
    `command` is the command line to show. Returns the path of the page. Failure when the disk refuses.
    """
    measures = evaluation.measures
    rows = evaluation.encoding.different if data.imported else np.arange(len(evaluation.encoding.codes))
    codes = evaluation.encoding.codes[rows]
    values = {name: own[rows] for name, own in evaluation.encoding.values.items()}
    latents = {
        name: evaluation.angle_latents.own(codes, name) for name in evaluation.angle_latents.groups if name in values
    }
    pictures = {"sweeps": png(draw_examples(run, data, evaluation))}
    if latents:
        pictures["scatter"] = charts.scatter(values, latents, evaluation.calibration.curves, measures, data.labels)
    if measures["spearman"]["matrix"]:
        pictures["spearman"] = charts.spearman_map(measures["spearman"]["matrix"])
    lines = headlines(measures, evidence)
    sections = [kind.section for kind in evidence.values() if kind.section is not None]
    document = {
        **measures,
        "evidence": {name: kind.measures for name, kind in evidence.items()},
        "headline": [vars(line) for line in lines],
        "made": {
            "command": command,
            "fit": run.fit,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "config": run.config.to_json(),
            "training_data": run.data,
            "versions": versions(),
        },
    }
    page = report_page(
        document, lines, pictures, sections, command
    )  # before the first file is written: all of it or nothing
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    figures = [part for section in sections for part in section.parts if isinstance(part, Figure)]
    for name, content in {**pictures, **{figure.name: figure.png for figure in figures}}.items():
        write_file(folder / f"{name}.png", content)
    write_file(folder / "report.json", text.encode())
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("dcign", "torch", "numpy", "scipy", "pillow", "matplotlib", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def pick(encoding: Encoding, count: int = OBJECTS) -> NDArray[np.int64]:
    """Choose rows of up to `count` images of different identities, at even steps through the mini-batches."""
    _, firsts = np.unique(encoding.minibatch, return_index=True)
    _, unique = np.unique(encoding.identity[firsts], return_index=True)
    candidates = firsts[np.sort(unique)]
    chosen = np.unique(np.linspace(0, len(candidates) - 1, count).round().astype(np.int64))
    return candidates[chosen].astype(np.int64)


def draw_examples(run: Run, data: DataSet, evaluation: Evaluation) -> Image.Image:
    """Draw, for a few identities, a row for each factor that has latents: input, reconstruction, sweep."""
    encoding, angle_latents = evaluation.encoding, evaluation.angle_latents
    rows: list[Row] = []
    for number, place in enumerate(pick(encoding), 1):
        image = image_of(data, encoding, int(place))
        code = encoding.codes[place]
        reconstruction = decode(run, code[None])[0]
        heading = f"{run.object} {number} (identity {encoding.identity[place]})"
        names = [name for name in angle_latents.groups if name in encoding.values]
        if not names:
            rows.append(Row([Tile(image, "input"), Tile(reconstruction, "decoded")], heading=heading))
        for name in names:
            curve, label = evaluation.calibration.curves.get(name), data.labels[name]
            inferred = "decoded"
            if curve is not None and curve.invertible:
                inferred = f"read {value_text(label, float(curve.to_value(angle_latents.own(code, name))))}"
            values, captions = sweep_values(curve, angle_latents.own(encoding.codes, name), label)
            frames = list(sweep(run, angle_latents, code, name, values)) if captions else []
            tiles = [
                Tile(image, f"true {value_text(label, float(encoding.values[name][place]))}"),
                Tile(reconstruction, inferred),
                *(Tile(frame, caption) for frame, caption in zip(frames, captions, strict=True)),
            ]
            rows.append(Row(tiles, label=name, heading=heading if name == names[0] else ""))
    return draw_rows(rows, scale=readable_scale(data.size))


def sweep_values(
    curve: FactorCurve | None, own: NDArray[np.floating], label: Label
) -> tuple[NDArray[np.floating], list[str]]:
    """Return values of a factor's latents, (S,) or (S, W), and captions of a sweep over the calibrated range.

    Of categories each, or some at even steps. Without a calibration, over 90 % of a single latent `own` (M,), and none
    of a group (M, W), which has no order.
    """
    if curve is not None:
        asked = np.linspace(*curve.range, FRAMES)
        if label.categories:
            asked = np.array(curve.values)[np.unique(np.linspace(0, len(curve.values) - 1, FRAMES).round().astype(int))]
        return curve.to_latent(asked), [value_text(label, float(value)) for value in asked]
    if own.ndim > 1:
        return own[:0], []
    low, high = (float(np.quantile(own, share)) for share in (0.05, 0.95))
    values = np.linspace(low, high, FRAMES)
    return values, [f"z = {value:.2g}" for value in values]


def image_of(data: DataSet, encoding: Encoding, place: int) -> NDArray[np.float32]:
    """Read the image (H, W) in [0, 1] behind row `place` of the encoding again from its shard."""
    number, factor = encoding.minibatch[place], str(encoding.kinds[place])
    numbers = np.unique(encoding.minibatch[encoding.kinds == factor])
    index = int(np.searchsorted(numbers, number))
    position = place - int(np.flatnonzero(encoding.minibatch == number)[0])
    return np.asarray(data.minibatch(factor, index).images[position], dtype=np.float32) / 255.0
