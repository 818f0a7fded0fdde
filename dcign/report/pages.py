"""report.html of one run and compare.html of several: self-contained pages for phone and desktop, light and dark.

No script, and nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dcign.evaluation.evidence.types import Section
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.units import error_text, range_text
from dcign.report.comparison import shown
from dcign.report.headline import Headline
from dcign.report.html import Chapter, Grid, Picture, Td, cell, chapter, page
from dcign.report.rows import is_rendered, labels_in
from dcign.report.saved import SavedReport
from render.shards.labels import DEGREES, Label

SEEN = {  # by `seen_in_training` of report.json
    "no": "unseen identities",
    "some": "some of them trained on",
    "possibly": "identities that may have been trained on",
    "images": "the training images themselves",
}
BETTER = {"higher": "higher is better", "lower": "lower is better", "": ""}


def report_page(
    document: dict[str, Any],
    lines: Sequence[Headline],
    pictures: dict[str, bytes],
    sections: Sequence[Section],
    command: str,
) -> str:
    """Set report.html from report.json's content `document`; `pictures` name -> PNG file (sweeps, scatter, spearman).

    `sections` follow these pictures in their order. `command`, the command line that makes them, stands below each.
    """
    run, data = document["run"], document["data_set"]
    count = f"{data['images']:,} images"
    if "different_images" in data:
        count += f" ({data['different_images']:,} different ones)"
    subtitle = (
        f"{count} of {data['identities']:,} {run['object']}s, {SEEN[data['seen_in_training']]}, "
        f"{run['size']} x {run['size']}; {run['step']:,} training steps; {document['made']['time']}"
    )
    if steps := document["made"].get("fit"):
        subtitle += f"; codes fitted to their images in {steps} steps"
    return page(
        f"DC-IGN: {Path(run['folder']).name or run['folder']} on {data['split']} images",
        subtitle,
        document["warnings"],
        [
            Chapter("What it reached", [_headline_table(lines)]),
            *_chapters(document, pictures, command),
            *(chapter(section, command) for section in sections),
            *_skipped(document["evidence"]),
        ],
        command,
        _facts(document),
    )


def _chapters(document: dict[str, Any], pictures: dict[str, bytes], command: str) -> list[Chapter]:
    """Set the chapters that every report has, in order, before the sections of evidence."""
    labels = labels_in(document)
    rendered = is_rendered(document)
    value, values = ("angle", "angles") if rendered else ("value", "values")
    caption = (
        f"For a few objects: the input with its true {value}, its reconstruction with the {value} read from the code, "
        f"then the same code with the latents of one {'angle' if rendered else 'factor'} set, through the calibration, "
        "to what is over each "
        "image. All other latents are untouched. Objects are taken at even steps through the set, not by taste."
    )
    chapters = [Chapter("Turning one knob at a time", [Picture(pictures["sweeps"], caption, command, broad=True)])]
    if "scatter" in pictures:
        caption = (
            "Every image of the set, all else varying too (compare Figure 6 of the paper). The line is the "
            f"calibration: what `dcign rerender` uses to turn {'degrees' if rendered else 'values'} into latent values."
        )
        if document["groups"]:
            caption += (
                f" {'An angle' if rendered else 'A factor'} with a group of latents is read back as that of the "
                "nearest point of its line, and shown against the true one."
            )
        if document.get("categories"):
            caption += " Categories are read back as that of the nearest mean: columns show what became of each."
        curves = document["calibration"]
        picture = Picture(pictures["scatter"], caption, command, broad=len(curves) > 1)
        tables = [_calibration_table(curves, labels)]
        if document.get("categories"):
            tables.append(_category_table(document))
        chapters.append(Chapter(f"Inferred latents against true {values}", [picture, *tables]))
    if "spearman" in pictures:
        caption = (
            "|Spearman| of each extrinsic latent with each true factor, over all images. What is dark away from a "
            "latent's own factor is leakage."
        )
        chapters.append(Chapter("Who knows what", [Picture(pictures["spearman"], caption, command)]))
    chapters.append(Chapter("Do the other latents hold still?", [_invariance_table(document["invariance"])]))
    if "rests_on" in document["data_set"]:
        chapters.append(Chapter("What these figures rest on", [_counts_table(document["data_set"]["rests_on"])]))
    return chapters


def _skipped(evidence: Mapping[str, Any]) -> list[Chapter]:
    """List the evidence that other reports have and this one has not, and why."""
    reasons = {name: found["skipped"] for name, found in evidence.items() if "skipped" in found}
    if not reasons:
        return []
    rows = [(name.replace("_", " "), [cell(reason)]) for name, reason in reasons.items()]
    return [Chapter("Not measured", [Grid(("evidence", "why"), rows)])]


def _headline_table(lines: Sequence[Headline]) -> Grid:
    rows = []
    for line in lines:
        verdict = {None: "", True: "reached", False: "missed"}[line.reached]
        value = cell(Estimate(value=line.value, low=line.low, high=line.high))
        cells = [value, Td(line.aim, verdict=verdict), cell(line.meaning, "soft")]
        rows.append((line.name, cells))
    return Grid(("measure", "value", "aim", "what it says"), rows, kind="headline")


def _calibration_table(curves: Mapping[str, Any], labels: Mapping[str, Label]) -> Grid:
    rows = []
    for name, curve in curves.items():
        if curve is None:
            rows.append((name, [cell("none"), cell("", "number"), cell("", "number")]))
            continue
        label, error, share = labels[name], curve["residual_degrees"], f"{curve['explained']:.0%}"
        low, high = (f"{end:g}{label.symbol}" for end in (curve["degrees"][0], curve["degrees"][-1]))
        calibrated = range_text(label) if label.categories else f"{low} to {high}"
        back = error_text(label, error)
        rows.append((name, [cell(calibrated), cell(back, "number"), cell(share, "number")]))
    value = "angle" if all(label.unit == DEGREES for label in labels.values()) else "value"
    head = ("factor", "calibrated range", f"error of the {value} read back (RMS)", "variance of the latents explained")
    return Grid(head, rows, kind="fitting")


def _category_table(document: Mapping[str, Any]) -> Grid:
    rows = []
    for name, found in document["categories"].items():
        known = document["intervals"]["categories"][name]
        cells = [cell(known.get(key, found[key]), "number") for key in ("read_back", "linear", "nearest")]
        rows.append((name, [*cells, cell(found["chance"], "number")]))
    caption = (
        "Share of images whose category is read right from the latents of its factor, with 95 % intervals over "
        "identities: through the calibration, which is fitted to these very images; by a linear reader and by the "
        "nearest mean, both fitted to other identities. The most frequent category is what a reader gets right that "
        "knows nothing."
    )
    head = ("factor", "read back", "linear reader", "nearest mean", "most frequent category")
    return Grid(head, rows, caption, kind="fitting")


def _counts_table(counts: Mapping[str, Any]) -> Grid:
    rows = [
        (name, [*(cell(found[key]) for key in ("minibatches", "images", "identities")), cell(found.get("values", ""))])
        for name, found in counts.items()
    ]
    caption = (
        "Mini-batches in which each factor varies, the different images and identities in them, and the different "
        "values that it takes there. Where there are few images of a kind, the same one stands in several mini-batches "
        "and counts as often. Intervals are over identities, and there are none for fewer than five."
    )
    head = ("mini-batches of", "mini-batches", "different images", "identities", "values")
    return Grid(head, rows, caption, kind="fitting")


def _invariance_table(holding: dict[str, Any]) -> Grid:
    rows = [
        (
            name,
            [
                *(cell(entry[key], "number") for key in ("within", "total", "ratio")),
                cell(f"{entry['latents']} latents, {entry['minibatches']} mini-batches"),
            ],
        )
        for name, entry in holding.items()
    ]
    head = ("mini-batches of", "variance within", "over the whole set", "ratio", "mean over")
    caption = (
        "While one factor varies within a mini-batch, the latents that it must not move should stay where they are. "
        "Variance within such mini-batches, beside the variance of the same latents over the whole set; the ratio is 0 "
        "for a perfect code and near 1 for one that ignores the rule."
    )
    return Grid(head, rows, caption)


def _facts(document: dict[str, Any]) -> Grid:
    data, made = document["data_set"], document["made"]
    counts = ", ".join(f"{count} {name}" for name, count in data["minibatches"].items())
    ranges = "; ".join(f"{name} {range_text(label)}" for name, label in labels_in(document).items())
    if is_rendered(document):
        ranges = ", ".join(f"{name} {low:g}° to {high:g}°" for name, (low, high) in data["ranges"].items())
    facts = {
        "run": f"{document['run']['folder']}, step {document['run']['step']:,}",
        "shards": f"{data['folder']}, {data['split']}, fingerprint {data['fingerprint']}",
        "mini-batches": f"{counts}; {data['batch_size']} images each",
        "not in these shards": ", ".join(data["missing_factors"]) or "nothing",
        "ranges": ranges,
        "training settings": ", ".join(f"{name} {value}" for name, value in made["config"].items()),
        "versions": ", ".join(f"{name} {value}" for name, value in made["versions"].items()),
        "time": made["time"],
    }
    return Grid((), [(name, [cell(value)]) for name, value in facts.items()], kind="facts")


def comparison_page(comparison: Mapping[str, Any], reports: Sequence[SavedReport], command: str) -> str:
    """Set compare.html from compare.json's content; the pictures are those beside the reports."""
    data, names = comparison["data_set"], list(comparison["runs"])
    subtitle = (
        f"{shown(data.get('images'))} {data['split']} images of {shown(data.get('identities'))} {data['object']}s, the "
        f"same for all, fingerprint {data['fingerprint'][:12]}"
    )
    chapters = [
        Chapter("The runs", [_settings(comparison, names)]),
        Chapter("Side by side", [_measures(comparison, names), *_not_measured(comparison)]),
        *_views(reports),
    ]
    own = [f"{name}: {line}" for name, entry in comparison["runs"].items() for line in entry["warnings"]]
    if own:
        chapters.append(Chapter("What the reports say of themselves", [], warnings=own))
    files = [(name, [cell(entry["report"]), cell(entry["folder"])]) for name, entry in comparison["runs"].items()]
    facts = Grid(("run", "report", "folder when measured"), files, kind="facts")
    return page(f"DC-IGN: {len(names)} runs side by side", subtitle, comparison["warnings"], chapters, command, facts)


def _settings(comparison: Mapping[str, Any], names: Sequence[str]) -> Grid:
    rows = [
        (row["label"], [cell(shown(row["values"][name]), "differs" if row["differs"] else "") for name in names])
        for row in comparison["settings"]
    ]
    caption = "How the runs were trained. In bold what differs; all other settings are the same."
    return Grid(("setting", *names), rows, caption)


def _measures(comparison: Mapping[str, Any], names: Sequence[str]) -> Grid:
    rows: list[tuple[str, list[Td]]] = []
    group = None
    for row in comparison["measures"]:
        if row["group"] != group:
            group = row["group"]
            rows.append((group, []))
        cells = [_value(row["values"][name], row["best"] == name) for name in names]
        says = " ".join(filter(None, (f"{BETTER[row['better']]}." if row["better"] else "", row["says"])))
        rows.append((row["label"], [*cells, cell(says[:1].upper() + says[1:], "soft says")]))
    caption = (
        "Values with 95 % intervals by bootstrap. Bold and marked ▲: the best of its row, where its interval lies "
        "apart from that of every other; no mark where intervals touch or are missing."
    )
    return Grid(("measure", *names, "what it says"), rows, caption)


def _value(entry: Mapping[str, Any], is_best: bool) -> Td:
    if entry["value"] is None:
        return Td("not measured", "number soft")
    found = cell({"value": entry["value"], "low": entry["low"], "high": entry["high"]}, "best" if is_best else "")
    return replace(found, text=f"▲ {found.text}") if is_best else found


def _not_measured(comparison: Mapping[str, Any]) -> list[Grid]:
    """List why values are missing: those of one run, then those that no run has."""
    lines: dict[str, list[str]] = {}
    for row in comparison["measures"]:
        for name, entry in row["values"].items():
            if entry["value"] is None:
                lines.setdefault(f"{name}: {entry['why']}", []).append(row["label"])
    for row in comparison["not_measured"]:
        lines.setdefault(f"all runs: {row['why']}", []).append(row["label"])
    rows = [(why, [cell("; ".join(labels))]) for why, labels in lines.items()]
    return [Grid(("why not measured", "what"), rows)] if rows else []


def _views(reports: Sequence[SavedReport]) -> list[Chapter]:
    """The strips of each factor of all runs, under each other."""
    chapters = []
    for factor in labels_in(reports[0].document):
        strips = []
        for report in reports:
            picture = report.picture(f"novel-views-{factor}")
            if picture is not None:
                command = str(report.document["made"].get("command", ""))
                caption = f"{report.name}: {factor} asked for, decoded, true, and the difference."
                strips.append(Picture(picture, caption, command, broad=True))
        if strips:
            chapters.append(Chapter(f"Novel views: {factor}", strips))
    return chapters
