"""The model card of a run: Markdown with a head of YAML, as model hubs read it. All its figures are the run's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from dcign.config import join
from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve
from dcign.export.limits import NOT_MEASURED, limits, range_text
from dcign.report.html import number
from dcign.report.saved import reach
from dcign.runs.run import Run

OWN = "built-in"
LICENCES = {OWN: "made by dcign itself, MIT licence", "ict-facekit": "ICT-FaceKit, MIT licence"}
PAPER = "[Deep Convolutional Inverse Graphics Network](https://arxiv.org/abs/1503.03167) (Kulkarni et al., 2015)"


def model_card(
    run: Run,
    curves: Calibration | None,
    report: Mapping[str, Any] | None,
    *,
    name: str,
    drawn: Mapping[str, Any] | None = None,
    facts: Mapping[str, str] | None = None,
    use: str = "",
) -> str:
    """The card of `run` under `name`.

    curves   its calibration, None without one
    report   the content of the report.json of these weights, None without one
    drawn    the settings its training data were drawn by, as in a manifest of shards; None if they are not known
    facts    what else is known of the run, name -> value: the recipe, the commit
    use      how to use what the card lies beside, in Markdown
    """
    things = f"{run.object}s"
    parts = [
        _head(run, drawn),
        f"# {_plain(name)}: a graphics engine learnt from {things}",
        f"A graphics code of {run.layout.latents} numbers for images of {things}, {run.size} x {run.size} grey: an "
        f"encoder turns an image into the code, a decoder turns the code into an image.{_knobs(curves)} It is a "
        f"DC-IGN, after {PAPER}.",
        *([use.strip()] if use else []),
        "## What it reached",
        *_reached(report, curves),
        "## Limits",
        "\n".join(f"- {_plain(line)}" for line in limits(run, curves, report)),
        "## Training data",
        _table(("", ""), _data(run, drawn)),
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


def _head(run: Run, drawn: Mapping[str, Any] | None) -> str:
    names = asset_names(drawn)
    licence = [] if names is None else ["license: mit" if set(names) <= set(LICENCES) else "license: other"]
    tags = ["inverse-graphics", "disentanglement", "variational-autoencoder", "dc-ign", run.object]
    return "\n".join(
        ["---", *licence, "library_name: dcign", "pipeline_tag: image-to-image", f"tags: [{', '.join(tags)}]", "---"]
    )


def asset_names(drawn: Mapping[str, Any] | None) -> list[str] | None:
    """Names of the models that were rendered; None if that is not known."""
    name = reach(drawn, ("assets", "name"))
    return [name] if isinstance(name, str) else None


def _reached(report: Mapping[str, Any] | None, curves: Calibration | None) -> Iterator[str]:
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
        yield "Calibration of the angles:"
        angles = []
        for name, curve in curves.curves.items():
            low, high = curve.range
            back = curve.residual_degrees if not isinstance(curve, Curve) or curve.invertible else None
            error = "no way back on a circle" if back is None else f"{back:.1f}°"
            angles.append((name, f"{low:g}° to {high:g}°", error, f"{curve.explained:.0%}"))
        yield _table(("angle", "range", "error read back (RMS)", "variance of its latents explained"), angles)


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


def _data(run: Run, drawn: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    data = run.data
    names = asset_names(drawn)
    yield "objects", f"{run.object}s, each mini-batch varying in one factor only"
    if names is None:
        yield "models", "not recorded"
    else:
        known = reach(drawn, ("assets", "models"))
        count = f"{len(known):,} of them; " if isinstance(known, dict) and run.object != "face" else ""
        yield "models", f"{', '.join(names)}: {count}{_licence(names)}"
    counts, batch = data.get("counts") or {}, data.get("batch_size")
    if counts:
        each = f", {batch} images each" if batch else ""
        yield "mini-batches", ", ".join(f"{count:,} {name}" for name, count in counts.items()) + each
    yield "ranges", range_text(data.get("ranges") or {}) or "not recorded"
    yield "fingerprint", f"`{data.get('fingerprint', 'not recorded')}`"
    yield "seed", str(data.get("seed", "not recorded"))


def _licence(names: Sequence[str]) -> str:
    return "; ".join(LICENCES.get(name, "licence not known here, ask where the models are from") for name in names)


def _training(run: Run) -> Iterator[tuple[str, str]]:
    yield "step", f"{run.step:,}"
    yield "graphics code", f"`{run.layout}`"
    for name, value in run.config.to_json().items():
        shown = join(tuple(value), "/" if name == "widths" else ":") if isinstance(value, list) else str(value)
        if name not in ("device", "keep", "checkpoint_every", "picture_every"):  # these change no weight
            yield name.replace("_", " "), "default" if value is None else shown
    yield "card written by", f"dcign {metadata.version('dcign')}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: object) -> str:
    """One line that Markdown takes for text: reports come from files."""
    return " ".join(str(text).split()).replace("<", "&lt;")
