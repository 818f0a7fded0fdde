"""Making a run the weights that ship (`dcign.runs.shipped`): rounded, then measured as rounded, then written here.

`scripts/ship-weights` is the command. The same run gives the same bytes: what is published holds no time, and no
path of the machine it was made on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.files import write_file
from dcign.engine import calibration
from dcign.engine.calibration import CALIBRATION_FILE, Calibration
from dcign.engine.codes import decode, encode
from dcign.errors import BadInput, RunError
from dcign.export.model_card import model_card
from dcign.report.comparison import estimate_of
from dcign.report.html import number
from dcign.report.rows import measures_of
from dcign.runs import shipped
from dcign.runs.checkpoint import WEIGHTS, write_weights
from dcign.runs.report_file import REPORT, reach
from dcign.runs.run import Run, read_trained
from dcign.runs.training_data import IDENTITIES_FILE, RENDERING_FILE
from render.shards.documents import Record, Table, Whole, read_json
from render.shards.labels import LABELS, RANGES

LARGEST = 12_000_000  # bytes of all files of a name together
MEASURED = Record(  # of a report
    {
        "run": Record({"step": Whole(0)}),
        "data_set": Record(optional={"ranges": RANGES, "labels": LABELS}),
        "made": Table(),
    }
)
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def check_name(name: str) -> None:
    """BadInput for a name that could be taken for a path, or is awkward to type."""
    if not NAME.fullmatch(name):
        raise BadInput(f"{name}: expected a name of lower-case letters, digits and dashes, such as faces")


def round_run(run: Path, folder: Path, shards: str) -> Path:
    """Write the weights to use of the run or checkpoint `run` into `folder` in half precision; returns the file.

    `shards` is what the header is to say of where the training data lies. RunError where there is no such run, or its
    weights do not fit.
    """
    header, weights = read_trained(run)
    return write_weights(folder, replace(header, data={**header.data, "folder": shards}), weights)


def rounding_error(exact: Run, rounded: Run, images: NDArray[np.floating]) -> tuple[float, float]:
    """Measure what rounding changes on `images` (N, H, W) in [0, 1].

    Returns the mean squared difference of the images that the decoders make of the exact codes, and the root mean
    square difference of the codes over their standard deviation.
    """
    codes, others = encode(exact, images), encode(rounded, images)
    pictures = np.mean((decode(exact, codes) - decode(rounded, codes)) ** 2)
    return float(pictures), float(np.sqrt(np.mean((codes - others) ** 2)) / codes.std())


def contents(staged: Path, report: Path, name: str, shards: str) -> dict[str, bytes]:
    """Gather the files of the weights `name`, file -> content, but for recipe and card.

    `staged` is the run folder, which `dcign evaluate` calibrated, `report` the folder of its report, and `shards` the
    path to give for the shards.

    RunError where a file is missing or damaged, or belongs to other weights.
    """
    header, _ = read_trained(staged / WEIGHTS)
    curves = calibration.load(staged)
    document = dict(
        read_json(report / REPORT, MEASURED, RunError, advice="; measure the weights again with `dcign evaluate`")
    )
    for path, step in ((staged / CALIBRATION_FILE, curves.step), (report / REPORT, document["run"]["step"])):
        if step != header.step:
            raise RunError(f"{path}: expected what was measured at step {header.step}, found step {step}")
    data_set = {**curves.data_set, "folder": shards}
    calibration.save(staged, replace(curves, data_set=data_set))
    document["run"]["folder"] = name
    document["data_set"]["folder"] = shards
    document["made"]["command"] = f"dcign evaluate {name} {shards}"
    document["made"].pop("time", None)
    files = (WEIGHTS, CALIBRATION_FILE, IDENTITIES_FILE, RENDERING_FILE)
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    return {**{file: (staged / file).read_bytes() for file in files}, REPORT: text.encode()}


def install(name: str, files: Mapping[str, bytes]) -> Path:
    """Make `files` the weights `name` of this package, with their hashes; returns their folder.

    BadInput where they are too large, or name a path of this machine.
    """
    size = sum(map(len, files.values()))
    if size > LARGEST:
        raise BadInput(
            f"{name}: expected at most {LARGEST:,} bytes in all, found {size:,}; train with smaller `widths`"
        )
    for file, content in files.items():
        home = re.search(rb'["\s(](/(?:home|tmp|root|work|Users)/[^"\s]*)', content) if file != WEIGHTS else None
        if home:
            raise BadInput(f"{name}: {file}: expected no path of this machine, found {home.group(1).decode()}")
    known = shipped.read_hashes()
    folder = shipped.FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for file, content in files.items():
        write_file(folder / file, content)
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    text = json.dumps({**known, name: digests}, indent=1, sort_keys=True) + "\n"
    write_file(shipped.FOLDER / shipped.HASHES, text.encode())
    return folder


def shipped_card(
    run: Run,
    curves: Calibration,
    report: Mapping[str, Any],
    rendering: Mapping[str, Any],
    *,
    name: str,
    recipe: str,
    shards: str,
    commit: str,
) -> str:
    """Write README.md of the weights `name`, in Markdown.

    report        the content of report.json
    rendering     the settings of the shards, as in rendering.json
    recipe        name of the recipe that made the run; `shards` is where it leaves them
    commit        of this repository, that the run was trained with
    """
    use = f"""\
Ships with dcign: its name stands wherever a command takes a run, and in Python.

    dcign rerender {name} picture.png --azimuth 0:90:7 -o turned.png
    dcign evaluate {name} {shards}    # measures it again, on what `dcign run {recipe}` has rendered

    engine = dcign.load("{name}")
"""
    facts = {
        "recipe": f"{recipe}, beside this card as recipe.toml",
        "commit": commit,
        "stored in": "float16, rounded after training; every figure here is of the rounded weights",
    }
    card = model_card(run, curves, report, name=name, rendering=rendering, facts=facts, use=use)
    return f"{card}\n## Every measure\n\n{every_measure(report)}\n"


def every_measure(report: Mapping[str, Any]) -> str:
    """List the rows of `dcign compare` that were measured, with their 95 % intervals, as a table in Markdown."""
    lines = ["| measure | value | 95 % interval | |", "| --- | --- | --- | --- |"]
    for group, measures in measures_of(report).items():
        rows = []
        for measure in measures:
            found = estimate_of(reach(report, measure.keys))
            if found["value"] is None:
                continue
            known = found["low"] is not None and found["high"] is not None
            ends = f"{number(found['low'], found['value'])} to {number(found['high'], found['value'])}" if known else ""
            cells = (measure.label, number(found["value"]), ends, measure.says)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines += [f"| **{group}** | | | |", *rows] if rows else []
    return "\n".join(lines)
