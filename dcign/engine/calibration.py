"""Values <-> latents, one curve for each labelled factor, measured on a data set where they are known.

`dcign evaluate` has the curves fitted (`dcign.engine.curve_fitting`) and stores them as `calibration.json` in the run
folder; `dcign rerender` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.files import write_file
from dcign.engine.curves import Centroids, Curve, FactorCurve, GroupCurve
from dcign.errors import BadInput, RunError
from dcign.model.code import AngleLatents, CodeLayout, stored_latents
from render.factors import EXTRINSIC
from render.shards.documents import Anything, Flag, ListOf, Maybe, Number, Record, Table, Unexpected, Whole, read_json
from render.shards.labels import LABELS, RANGES, Label, check_ranges, is_name, labels_of, labels_to_json

if TYPE_CHECKING:
    from dcign.runs.run import Run

CALIBRATION_FILE = "calibration.json"
FORMAT = 1  # of a file that holds curves of single latents only
GROUP_FORMAT = 2  # of one with curves of groups, which readers of format 1 would take for damaged
LABEL_FORMAT = 3  # of one with curves of other things than the renderer's angles
PERCENTILES = 101
SHOWN = 6  # directions of identity that a person is offered
LATENT = Number(-1e30, 1e30)  # codes are float32
DOCUMENT = Record(
    {
        "format": Anything(),
        "step": Whole(0),
        "data_set": Table(),
        "curves": Table(
            Record(
                {
                    "degrees": ListOf(LATENT),
                    "latent": ListOf(Anything()),  # a number at each knot, or a row of them: see `_read_curve`
                    "circular": Flag(),
                    "residual_degrees": Maybe(Number(0)),
                    "explained": Number(),
                    "images": Whole(0),
                    "draws": Whole(0),
                }
            ),
        ),
    },
    {
        "ranges": RANGES,
        "labels": LABELS,
        "found": Table(ListOf(Whole(0))),
        "reconstruction": ListOf(Number(0)),
        "directions": ListOf(ListOf(LATENT)),
        "mean_identity": ListOf(LATENT),
    },
)


@dataclass(frozen=True)
class Calibration:
    """The curves of a run, by factor; `step` is the training step of the weights they were measured on."""

    curves: Mapping[str, FactorCurve]
    step: int
    data_set: Mapping[str, Any]  # folder, split, fingerprint: what it was measured on
    found: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # latents of factors that training did not name
    reconstruction: tuple[float, ...] = ()  # percentiles 0, 1, ..., 100 of the images' mean squared error, if known
    directions: tuple[tuple[float, ...], ...] = ()  # (D, Z), those of identity: `dcign.engine.directions`
    mean_identity: tuple[float, ...] = ()  # (Z,), which they start from; not in older files

    def angle_latents(self, layout: CodeLayout) -> AngleLatents:
        """Return the latents that the curves are of, by factor."""
        return stored_latents(layout, self.found)

    def out_of_date(self, run: str, step: int) -> str | None:
        """Return a warning if a run, named `run`, is at another step than its calibration; None if at the same."""
        if self.step == step:
            return None
        again = f"run `dcign evaluate {run} SHARDS` again for exact values"
        return f"{run} was calibrated at step {self.step} and is at step {step} now; {again}"

    def directions_of(self, layout: CodeLayout) -> NDArray[np.float64]:
        """Return `directions` as a person is offered them, (D, Z), D up to `SHOWN`. RunError for another code's."""
        return self._directions(layout)[:SHOWN]

    def identities_of(self, layout: CodeLayout) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the mean identity (Z,) and all directions (D, Z); None where they are not known.

        RunError for those of another code.
        """
        if not self.mean_identity:
            return None
        return np.asarray(self.mean_identity, np.float64), self._directions(layout)

    def _directions(self, layout: CodeLayout) -> NDArray[np.float64]:
        if self.directions and len(self.directions[0]) != layout.latents:
            raise RunError(
                f"expected directions of {layout.latents} latents, as many as the code of this run has, found "
                f"{len(self.directions[0])} (the calibration of another run?); run `dcign evaluate RUN SHARDS` again"
            )
        return np.asarray(self.directions, np.float64).reshape(-1, layout.latents)

    def curve(self, factor: str) -> FactorCurve:
        """Return the curve of `factor`; BadInput when it could not be measured."""
        if factor not in self.curves:
            known = ", ".join(self.curves) or "no factor at all"
            raise BadInput(
                f"{factor}: this run has no calibration for it (it has {known}); "
                "run `dcign evaluate RUN SHARDS` on shards in which it varies"
            )
        return self.curves[factor]


def save(folder: Path, calibration: Calibration) -> Path:
    """Write `folder/calibration.json` atomically and return its path."""
    path = folder / CALIBRATION_FILE
    curves = calibration.curves.values()
    groups = any(isinstance(curve, GroupCurve) for curve in curves)
    labels = {} if all(_is_rendered(curve.label) for curve in curves) else {c.factor: c.label for c in curves}
    content: dict[str, Any] = {
        "format": LABEL_FORMAT if labels else GROUP_FORMAT if groups else FORMAT,
        "step": calibration.step,
        "data_set": dict(calibration.data_set),
        **(labels_to_json(labels) if labels else {}),
        "curves": {name: curve.to_json() for name, curve in calibration.curves.items()},
    }
    if calibration.found:
        content["found"] = {name: list(latents) for name, latents in calibration.found.items()}
    if calibration.reconstruction:
        content["reconstruction"] = list(calibration.reconstruction)
    if calibration.directions:
        content["directions"] = [list(direction) for direction in calibration.directions]
    if calibration.mean_identity:
        content["mean_identity"] = list(calibration.mean_identity)
    write_file(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return path


def load(folder: Path) -> Calibration:
    """Read `folder/calibration.json`. RunError when it is missing, damaged or of another format."""
    path = folder / CALIBRATION_FILE
    if not path.exists():
        raise RunError(f"{path}: no calibration here; run `dcign evaluate {folder} SHARDS` first")
    advice = f"; run `dcign evaluate {folder} SHARDS` again"
    content = read_json(path, DOCUMENT, RunError, advice=advice)
    try:
        if content["format"] not in (FORMAT, GROUP_FORMAT, LABEL_FORMAT):
            raise ValueError(f"expected format {FORMAT} to {LABEL_FORMAT}, found {content['format']!r:.60}")
        labels = _read_labels(content)
        curves = {name: _read_curve(name, entry, labels.get(name)) for name, entry in content["curves"].items()}
        found = {name: tuple(latents) for name, latents in content.get("found", {}).items()}
        errors = tuple(map(float, content.get("reconstruction", ())))
        if errors and not (len(errors) == PERCENTILES and np.all(np.diff(errors) >= 0)):
            raise ValueError(f"expected {PERCENTILES} ascending percentiles of the error, found {len(errors)} numbers")
        directions = _read_directions(content.get("directions", ()))
        mean = tuple(map(float, content.get("mean_identity", ())))
        if mean and not (directions and len(directions[0]) == len(mean)):
            raise ValueError(f"mean_identity: expected as many numbers as a direction has, found {len(mean)}")
    except ValueError as error:
        raise RunError(f"{path}: {error}{advice}") from None
    return Calibration(curves, content["step"], content["data_set"], found, errors, directions, mean)


def is_calibrated(run: Run) -> bool:
    """Tell if `dcign evaluate` has stored a calibration with the run."""
    return (run.folder / CALIBRATION_FILE).exists()


def load_for(run: Run, warn: Callable[[str], None], name: str | None = None) -> Calibration:
    """Load the calibration of `run`; RunError as `load`.

    `warn` is given a sentence, without its full stop, if it was measured on weights of another step. In it the run is
    called `name`, by default its folder.
    """
    found = load(run.folder)
    if warning := found.out_of_date(str(run.folder) if name is None else name, run.step):
        warn(warning)
    return found


def _read_directions(rows: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Read directions. ValueError unless the rows are of one width, and none is all zeros."""
    directions = tuple(tuple(map(float, row)) for row in rows)
    if len({len(row) for row in directions}) > 1 or not all(any(row) for row in directions):
        raise ValueError("directions: expected rows of one width, none of them zeros, found others")
    return directions


def _is_rendered(label: Label) -> bool:
    """Tell whether a label is one of the renderer's, of which files tell the range alone."""
    usual = labels_of({"ranges": {label.name: (label.low, label.high)}})[label.name]
    return label.name in EXTRINSIC and label == usual


def _read_labels(content: Mapping[str, Any]) -> dict[str, Label]:
    """Read the labels of the curves; none where all are angles. ValueError where they contradict the rest."""
    labels = {}
    if "labels" in content:
        check_ranges({"ranges": {}, **content})
        labels = labels_of({"ranges": {}, **content})
    for name in content["curves"]:
        if name not in (labels or EXTRINSIC):
            raise Unexpected("curves", f"keys of {', '.join(labels or EXTRINSIC)}", ascii(name)[:60])
    for name in content.get("found", {}):
        if not is_name(name):
            raise Unexpected("found", "names of factors", ascii(name)[:60])
    return labels


def _read_curve(name: str, entry: Mapping[str, Any], label: Label | None) -> FactorCurve:
    """Read a curve from its JSON form.

    ValueError unless its knots are ascending, of one latent that does not go round a circle monotone, and of categories
    their numbers.
    """
    group = bool(entry["latent"]) and isinstance(entry["latent"][0], list)
    ListOf(ListOf(LATENT) if group else LATENT).check(entry["latent"], f"curves.{name}.latent")
    widths = {len(row) for row in entry["latent"]} if group else set()
    values, circular = np.asarray(entry["degrees"], np.float64), entry["circular"]
    categories = () if label is None else label.categories
    fine = len(values) >= 2 and len(entry["latent"]) == len(values) and bool(np.all(np.diff(values) > 0))
    fine = fine and (not group or (len(widths) == 1 and min(widths) >= 2))
    if fine and categories:
        fine = not circular and set(values.tolist()) <= set(range(len(categories)))
    elif fine and not group and not circular:
        rises = np.diff(np.asarray(entry["latent"], np.float64))
        fine = bool(np.all(rises > 0) or np.all(rises < 0))
    if not fine:
        raise ValueError(f"curves.{name}: expected knots of a curve, found others")
    residual = entry["residual_degrees"]
    if residual is None and (group or categories or not circular):
        raise ValueError(f"curves.{name}.residual_degrees: expected a number, found null")
    kind: Callable[..., FactorCurve] = Centroids if categories else GroupCurve if group else Curve
    latent = tuple(tuple(map(float, row)) for row in entry["latent"]) if group else tuple(map(float, entry["latent"]))
    error = None if residual is None else float(residual)
    rest = (float(entry["explained"]), entry["images"], entry["draws"])
    return kind(name, tuple(values.tolist()), latent, circular, error, *rest, label=label)
