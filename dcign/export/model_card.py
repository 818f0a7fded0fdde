"""The model card of a run: Markdown with a head of YAML, as model hubs read it. All its figures are the run's own.

Its section on limits says in sentences what the run cannot do, from its data and its figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import dcign
from dcign.config import setting_text
from dcign.engine.calibration import Calibration
from dcign.engine.curves import FactorCurve
from dcign.evaluation.units import amount_text, error_text, range_text
from dcign.report.html import number
from dcign.report.rows import is_rendered, labels_in
from dcign.runs.report_file import reach
from dcign.runs.run import Run
from render.shards.labels import DEGREES, Label

OWN = "built-in"
LICENCES = {OWN: "made by dcign itself, MIT licence", "ict-facekit": "ICT-FaceKit, MIT licence"}
PAPER = "[Deep Convolutional Inverse Graphics Network](https://arxiv.org/abs/1503.03167) (Kulkarni et al., 2015)"
SHOWN = {  # by the kind of object, what its images show
    "face": "heads of a face model before black: none has glasses, a beard, hair with volume or clothes",
    "chair": "single chairs before white, without a floor or a shadow",
}
NOT_MEASURED = "not measured"


def model_card(
    run: Run,
    curves: Calibration | None,
    report: Mapping[str, Any] | None,
    *,
    name: str,
    rendering: Mapping[str, Any] | None = None,
    facts: Mapping[str, str] | None = None,
    use: str = "",
) -> str:
    """Write the card of `run` under `name`.

    curves   its calibration, None without one
    report   the content of the report.json of these weights, None without one
    rendering  the settings of its training data, as in a manifest of shards; None if they are not known
    facts    what else is known of the run, name -> value: the recipe, the commit
    use      how to use what the card lies beside, in Markdown
    """
    things = f"{run.object}s"
    parts = [
        _head(run, rendering),
        f"# {_plain(name)}: a graphics engine learnt from {things}",
        f"A graphics code of {run.layout.latents} numbers for images of {things}, {run.size} x {run.size} grey: an "
        f"encoder turns an image into the code, a decoder turns the code into an image.{_knobs(curves)} It is a "
        f"DC-IGN, after {PAPER}.",
        *([use.strip()] if use else []),
        "## What it reached",
        *_reached(run, report, curves),
        "## Limits",
        "\n".join(f"- {_plain(line)}" for line in limits(run, curves, report)),
        "## Training data",
        _table(("", ""), _data(run, rendering)),
        "## Training",
        _table(("", ""), [*_training(run), *(facts or {}).items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _knobs(curves: Calibration | None) -> str:
    names = list(curves.curves) if curves is not None else []
    listed = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    return (
        f" Set its latents of {listed} through the calibration, and the decoder shows the object so." if names else ""
    )


def _head(run: Run, rendering: Mapping[str, Any] | None) -> str:
    names = asset_names(rendering)
    licence = [] if names is None else ["license: mit" if set(names) <= set(LICENCES) else "license: other"]
    tags = ["inverse-graphics", "disentanglement", "variational-autoencoder", "dc-ign", run.object]
    return "\n".join(
        ["---", *licence, "library_name: dcign", "pipeline_tag: image-to-image", f"tags: [{', '.join(tags)}]", "---"]
    )


def asset_names(rendering: Mapping[str, Any] | None) -> list[str] | None:
    """Return the names of the models that were rendered; None if they are not known."""
    name = reach(rendering, ("assets", "name"))
    return [name] if isinstance(name, str) else None


def _reached(run: Run, report: Mapping[str, Any] | None, curves: Calibration | None) -> Iterator[str]:
    if report is None:
        yield f"{NOT_MEASURED.capitalize()}: no report of these weights lies with the run (`dcign evaluate` makes one)."
    else:
        yield f"Measured by `dcign evaluate` on {_measured_on(report)}."
        rows = [(line["name"], _value(line), _aim(line)) for line in report["headline"]]
        yield _table(("measure", "value, 95 % interval", "aim"), rows)
        lines = [f"{line['name']}: {line['meaning']}" for line in report["headline"] if line.get("meaning")]
        yield "\n".join(f"- {_plain(line)}" for line in lines)
        missing = [name for name, kind in (report.get("evidence") or {}).items() if reach(kind, ("skipped",))]
        if missing:
            yield f"{NOT_MEASURED.capitalize()}: {', '.join(_plain(each.replace('_', ' ')) for each in missing)}."
    if curves is not None and curves.curves:
        what = "angle" if all(_label_of(run, name).unit == DEGREES for name in curves.curves) else "factor"
        yield f"Calibration of the {what}s:"
        ranges = [[name, *_calibrated(_label_of(run, name), curve)] for name, curve in curves.curves.items()]
        yield _table((what, "range", "error read back (RMS)", "variance of its latents explained"), ranges)


def _calibrated(label: Label, curve: FactorCurve) -> tuple[str, str, str]:
    """Write the range of a curve, the error of what is read back through it, and what it explains."""
    low, high = (f"{end:g}{label.symbol}" for end in curve.range)
    span = range_text(label) if label.categories else f"{low} to {high}"
    error = error_text(label, curve.residual if curve.invertible else None)
    return span, error, f"{curve.explained:.0%}"


def _label_of(run: Run, name: str) -> Label:
    """Return the label of a factor; runs that kept no ranges are of the renderer's angles."""
    return run.labels.get(name) or Label(name, 0.0, 0.0)


def _measured_on(report: Mapping[str, Any]) -> str:
    data = reach(report, ("data_set",)) or {}
    images, objects = data.get("images"), data.get("identities")
    count = (
        f"{images:,} images of {objects:,} " if isinstance(images, int) and isinstance(objects, int) else "images of "
    )
    seen = {"no": "unseen ", "some": "partly seen ", "possibly": "possibly seen ", "images": "the training's own "}
    kind = seen.get(str(data.get("seen_in_training")), "")
    where = f"`{data.get('split')}` split, fingerprint `{data.get('fingerprint')}`"
    return f"{count}{kind}{data.get('object', 'object')}s ({where})"


def _value(line: Mapping[str, Any]) -> str:
    value, low, high = line.get("value"), line.get("low"), line.get("high")
    ends = "" if value is None or low is None or high is None else f", {number(low, value)} to {number(high, value)}"
    return number(value) + ends


def _aim(line: Mapping[str, Any]) -> str:
    verdict = {"True": ": reached", "False": ": missed"}.get(str(line.get("reached")), "")
    return f"{line.get('aim') or ''}{verdict}"


def _data(run: Run, rendering: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    data = run.data
    names = asset_names(rendering)
    yield "objects", f"{run.object}s, each mini-batch varying in one factor only"
    if run.imported:
        yield "images", f"taken elsewhere ({', '.join(names)})" if names else "taken elsewhere"
        yield "licence", "not known here, ask where the images are from"
    elif names is None:
        yield "models", "not recorded"
    else:
        known = reach(rendering, ("assets", "models"))
        count = f"{len(known):,} of them; " if isinstance(known, dict) and run.object != "face" else ""
        yield "models", f"{', '.join(names)}: {count}{_licence(names)}"
    counts, batch = data.get("counts") or {}, data.get("batch_size")
    if counts:
        each = f", {batch} images each" if batch else ""
        yield "mini-batches", ", ".join(f"{count:,} {name}" for name, count in counts.items()) + each
    yield "ranges", _ranges(run) or "not recorded"
    yield "fingerprint", f"`{data.get('fingerprint', 'not recorded')}`"
    yield "seed", str(data.get("seed", "not recorded"))


def _licence(names: Sequence[str]) -> str:
    return "; ".join(LICENCES.get(name, "licence not known here, ask where the models are from") for name in names)


def _training(run: Run) -> Iterator[tuple[str, str]]:
    yield "step", f"{run.step:,}"
    yield "graphics code", f"`{run.layout}`"
    for name, value in run.config.to_json().items():
        if name not in ("device", "keep", "checkpoint_every", "picture_every"):  # these change no weight
            yield name.replace("_", " "), "default" if value is None else setting_text(name, value)
    yield "card written by", f"dcign {dcign.__version__}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: object) -> str:
    """One line that Markdown takes for text: reports come from files."""
    return " ".join(str(text).split()).replace("<", "&lt;")


def limits(run: Run, curves: Calibration | None, report: Mapping[str, Any] | None) -> Iterator[str]:
    """Say each limit in a sentence or two. What no figure is known of is named as not measured, never guessed."""
    if run.imported:
        yield (
            f"It was trained on images of {run.object}s that were taken elsewhere. What it does with others than such "
            f"was {NOT_MEASURED}."
        )
    else:
        yield (
            f"It was trained on renderings only, of {SHOWN.get(run.object, run.object + 's')}. A photograph is unlike "
            "them, and what it does with one was " + NOT_MEASURED + "."
        )
    if run.data.get("ranges"):
        yield f"It knows no {_values(run)} beyond those of its training: {_ranges(run)}."
    document = report or {}
    yield from _of_factors(run, curves, document)
    yield from _of_categories(document)
    yield from _of_pixels(document)
    yield from _of_views(document)
    yield from _of_identity(run, document)
    missed = [line["name"] for line in document.get("headline", ()) if line.get("reached") is False]
    if missed:
        yield f"Aims that it misses: {', '.join(missed)}."
    warnings = document.get("warnings", ())
    yield from (str(warning) for warning in (warnings if isinstance(warnings, list) else ()))


def _values(run: Run) -> str:
    return "angles" if all(label.unit == DEGREES for label in run.labels.values()) else "values"


def _ranges(run: Run) -> str:
    """Write ranges as 'azimuth -90° to 90°, light 0° only'."""
    apart = "; " if any(label.categories for label in run.labels.values()) else ", "
    return apart.join(f"{name} {range_text(label)}" for name, label in run.labels.items())


def _of_factors(run: Run, curves: Calibration | None, report: Mapping[str, Any]) -> Iterator[str]:
    if curves is None or not curves.curves:
        what = "angle in degrees" if _values(run) == "angles" else "value of a factor"
        yield f"It has no calibration: which latent value stands for which {what} was {NOT_MEASURED}."
        return
    for name, curve in curves.curves.items():
        label = _label_of(run, name)
        if not curve.invertible:
            yield (
                f"One latent has to stand for {name} all the way round, and so takes each of its values at two "
                f"{'angles' if label.unit == DEGREES else 'places'} or more: turning passes through the same views "
                f"twice. Its curve explains {curve.explained:.0%} of that latent's variance."
            )
        elif not label.categories:
            yield _of_reading(label, curve, reach(report, ("intervals", "read_back_median", name, "value")))


def _of_reading(label: Label, curve: FactorCurve, median: Any) -> str:
    low, high = curve.range
    guess = (high - low) / np.sqrt(12)  # standard deviation of an even spread
    by = f"{guess:.0f}°" if label.unit == DEGREES else amount_text(label, guess)
    half = f"half of all images by at most {amount_text(label, median)}; " if _known(median) else ""
    return (
        f"The {label.name} read from an image is wrong by {amount_text(label, curve.residual or 0.0)} (root mean "
        f"square; {half}a guess at the middle of {low:g}{label.symbol} to {high:g}{label.symbol} would be by {by}). "
        f"Its curve explains {curve.explained:.0%} of the variance of its latents."
    )


def _of_categories(report: Mapping[str, Any]) -> Iterator[str]:
    for name, found in (reach(report, ("categories",)) or {}).items():
        right, chance = (reach(found, (key,)) for key in ("linear", "chance"))
        if _known(right) and _known(chance):
            yield (
                f"Of unseen objects the {name} is read right in {right:.0%} of the images, by a linear reader of its "
                f"latents; always the most frequent one would be right in {chance:.0%}."
            )


def _of_pixels(report: Mapping[str, Any]) -> Iterator[str]:
    ratio, mse = (reach(report, ("reconstruction", key)) for key in ("ratio", "mse"))
    if not (_known(ratio) and _known(mse)):
        yield f"How well it reconstructs images was {NOT_MEASURED}."
        return
    yield (
        f"Fine detail is lost: a reconstruction is wrong by {ratio:.0%} of what the test set's mean image would be "
        f"(MSE {number(mse)})."
    )
    leak = reach(report, ("spearman", "largest_leak"))
    if isinstance(leak, dict) and _known(leak.get("value")):
        yield (
            f"The knobs are not quite apart: z_{leak.get('latent')} also follows {leak.get('factor')}, "
            f"|Spearman| {number(leak['value'])}."
        )
    leak = reach(report, ("evidence", "groups", "overall", "largest_leak"))
    if isinstance(leak, dict) and _known(leak.get("value")):
        rest = "the latents of no angle" if is_rendered(report) else "the latents of no factor"
        group = f"z_{leak.get('group')}" if leak.get("group") in labels_in(report) else rest
        yield f"What should not know of {leak.get('factor')}, {group}, predicts it with R² {number(leak['value'])}."


def _of_views(report: Mapping[str, Any]) -> Iterator[str]:
    factors = reach(report, ("evidence", "novel_views", "factors"))
    if not isinstance(factors, dict) or not any(factors.values()):
        what = "angle" if is_rendered(report) else "value"
        yield f"The error of a picture at another {what}, against the true one there, was {NOT_MEASURED}."
        return
    for name, views in factors.items():
        own, copied, mean = (
            reach(views, keys)
            for keys in (("mse", "value"), ("copy_input", "mse", "value"), ("mean_image_mse", "value"))
        )
        if _known(own) and _known(copied) and _known(mean):
            verdict = "" if own < min(copied, mean) else ": no better than the best of these two"
            yield (
                f"A picture at another {name} has MSE {number(own)} against the true one; handing the input back has "
                f"{number(copied)}, the mean image {number(mean)}{verdict}."
            )


def _of_identity(run: Run, report: Mapping[str, Any]) -> Iterator[str]:
    found = {
        name: reach(report, ("evidence", "recognition", "methods", name, "rank1", "value"))
        for name in ("rest", "pixels")
    }
    chance = reach(report, ("evidence", "recognition", "chance", "rank1"))
    if not all(map(_known, (*found.values(), chance))):
        change = "pose and light" if is_rendered(report) else "the factors"
        yield f"How far the identity survives a change of {change} was {NOT_MEASURED}."
        return
    warning = " Do not recognise people with it." if run.object == "face" else ""
    across = "poses and lights" if is_rendered(report) else "values of the factors"
    yield (
        f"Across {across} it finds the same {run.object} again in {found['rest']:.0%} of cases (pixels "
        f"{found['pixels']:.0%}, chance {chance:.0%}).{warning}"
    )


def _known(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
