"""report.html: one self-contained page, for phone and desktop, light and dark. No script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dcign.evaluation.evidence.types import Section
from dcign.metrics.bootstrap import Estimate
from dcign.report.headline import Headline
from dcign.report.html import Chapter, Td, captioned, cell, chapter, command_block, figure, page, table

SEEN = {
    "no": "unseen identities",
    "some": "some of them trained on",
    "possibly": "identities that may have been trained on",
    "images": "the training images themselves",
}


def html(
    document: dict[str, Any],
    lines: Sequence[Headline],
    pictures: dict[str, bytes],
    sections: Sequence[Section],
    command: str,
) -> str:
    """The page of report.json's content `document`; `pictures` name -> PNG file (sweeps, scatter, spearman).

    `sections` follow these pictures in their order. `command`, the command line that makes them, stands below each.
    """
    run, data = document["run"], document["data_set"]
    subtitle = (
        f"{data['images']:,} images of {data['identities']:,} {run['object']}s, {SEEN[data['seen_in_training']]}, "
        f"{run['size']} x {run['size']}; {run['step']:,} training steps; {document['made']['time']}"
    )
    return page(
        f"DC-IGN: {Path(run['folder']).name or run['folder']} on {data['split']} images",
        subtitle,
        document["warnings"],
        [
            Chapter("What it reached", _headline_table(lines)),
            *_chapters(document, pictures, command),
            *(chapter(section, command) for section in sections),
            *_skipped(document["evidence"]),
        ],
        command_block(command) + _facts(document),
    )


def _chapters(document: dict[str, Any], pictures: dict[str, bytes], command: str) -> list[Chapter]:
    """What every report shows, in order, before the sections of evidence."""
    caption = (
        "For a few objects: the input with its true angle, its reconstruction with the angle read from the code, "
        "then the same code with the latents of one angle set, through the calibration, to what is over each "
        "image. All other latents are untouched. Objects are taken at even steps through the set, not by taste."
    )
    parts = [Chapter("Turning one knob at a time", figure(pictures["sweeps"], caption, command, broad=True))]
    if "scatter" in pictures:
        caption = (
            "Every image of the set, all else varying too (compare Figure 6 of the paper). The line is the "
            "calibration: what `dcign rerender` uses to turn degrees into latent values."
        )
        if document["groups"]:
            caption += (
                " An angle with a group of latents is read back as that of the nearest point of its line, and shown "
                "against the true one."
            )
        curves = document["calibration"]
        shown = figure(pictures["scatter"], caption, command, broad=len(curves) > 1) + _calibration_table(curves)
        parts.append(Chapter("Inferred latents against true angles", shown))
    if "spearman" in pictures:
        caption = (
            "|Spearman| of each extrinsic latent with each true factor, over all images. What is dark away from a "
            "latent's own factor is leakage."
        )
        parts.append(Chapter("Who knows what", figure(pictures["spearman"], caption, command)))
    parts.append(Chapter("Do the other latents hold still?", _invariance_table(document["invariance"])))
    return parts


def _skipped(evidence: Mapping[str, Any]) -> list[Chapter]:
    """What other reports show and this one does not, and why."""
    reasons = {name: found["skipped"] for name, found in evidence.items() if "skipped" in found}
    if not reasons:
        return []
    rows = [(name.replace("_", " "), [cell(reason)]) for name, reason in reasons.items()]
    return [Chapter("Not measured", table(("evidence", "why"), rows, "named"))]


def _headline_table(lines: Sequence[Headline]) -> str:
    rows = []
    for line in lines:
        verdict = {None: "", True: "reached", False: "missed"}[line.reached]
        mark = f' <span class="{"good" if line.reached else "bad"}">{verdict}</span>' if verdict else ""
        value = cell(Estimate(value=line.value, low=line.low, high=line.high))
        cells = [value, Td(escape(line.aim) + mark), cell(line.meaning, "soft")]
        rows.append((line.name, cells))
    return table(("measure", "value", "aim", "what it says"), rows, "headline")


def _calibration_table(curves: dict[str, Any]) -> str:
    rows = []
    for name, curve in curves.items():
        if curve is None:
            rows.append((name, [cell("none"), cell("", "number"), cell("", "number")]))
            continue
        low, high = curve["degrees"][0], curve["degrees"][-1]
        error = "no way back on a circle" if curve["residual_degrees"] is None else f"{curve['residual_degrees']:.1f}°"
        share = f"{curve['explained']:.0%}"
        rows.append((name, [cell(f"{low:g}° to {high:g}°"), cell(error, "number"), cell(share, "number")]))
    head = ("factor", "calibrated range", "error of the angle read back (RMS)", "variance of the latents explained")
    return table(head, rows, "named")


def _invariance_table(holding: dict[str, Any]) -> str:
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
    return captioned(table(head, rows, "named"), caption)


def _facts(document: dict[str, Any]) -> str:
    data, made = document["data_set"], document["made"]
    counts = ", ".join(f"{count} {name}" for name, count in data["minibatches"].items())
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
    return table((), [(name, [cell(value)]) for name, value in facts.items()], "facts")
