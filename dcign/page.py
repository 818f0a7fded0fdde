"""report.html: one self-contained page, for phone and desktop, light and dark. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from dcign.headline import Headline


def html(document: dict[str, Any], lines: Sequence[Headline], pictures: dict[str, bytes]) -> str:
    """The page of report.json's content `document`; `pictures` name -> PNG file (sweeps, scatter, spearman)."""
    run, data = document["run"], document["data_set"]
    seen = {
        "no": "unseen identities",
        "possibly": "identities that may have been trained on",
        "images": "the training images themselves",
    }
    subtitle = (
        f"{data['images']:,} images of {data['identities']:,} {run['object']}s, {seen[data['seen_in_training']]}, "
        f"{run['size']} x {run['size']}; {run['step']:,} training steps; {document['made']['time']}"
    )
    warnings = "".join(f"<li>{escape(line)}</li>" for line in document["warnings"])
    template = resources.files("dcign").joinpath("report.html.template").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(f"DC-IGN: {Path(run['folder']).name or run['folder']} on {data['split']} images"),
        subtitle=escape(subtitle),
        warnings=f'<ul class="warnings">{warnings}</ul>' if warnings else "",
        headline=_headline_table(lines),
        sections="\n".join(_sections(document, pictures)),
        command=escape(document["made"]["command"]),
        facts=_facts(document),
    )


def _sections(document: dict[str, Any], pictures: dict[str, bytes]) -> list[str]:
    """The parts of the page between headline and footer, in order; add a figure here."""
    parts = [
        "<h2>Turning one knob at a time</h2>",
        _figure(
            pictures["sweeps"],
            "For a few objects: the input with its true angle, its reconstruction with the angle read from the code, "
            "then the same code with the latents of one angle set, through the calibration, to what is over each "
            "image. All other latents are untouched. Objects are taken at even steps through the set, not by taste.",
            broad=True,
        ),
    ]
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
        parts += [
            "<h2>Inferred latents against true angles</h2>",
            _figure(pictures["scatter"], caption, broad=False),
            _calibration_table(document["calibration"]),
        ]
    if "spearman" in pictures:
        parts += [
            "<h2>Who knows what</h2>",
            _figure(
                pictures["spearman"],
                "|Spearman| of each extrinsic latent with each true factor, over all images. What is dark away from a "
                "latent's own factor is leakage.",
                broad=False,
            ),
        ]
    parts += [
        "<h2>Do the other latents hold still?</h2>",
        "<p>While one factor varies within a mini-batch, the latents that it must not move should stay where they are. "
        "Variance within such mini-batches, beside the variance of the same latents over the whole set; the ratio is 0 "
        "for a perfect code and near 1 for one that ignores the rule.</p>",
        _invariance_table(document["invariance"]),
    ]
    return parts


def _figure(picture: bytes, caption: str, broad: bool) -> str:
    data = base64.b64encode(picture).decode("ascii")
    kind = ' class="broad"' if broad else ""
    image = f'<img{kind} alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f'<figure><div class="wide">{image}</div><figcaption>{escape(caption)}</figcaption></figure>'


def _number(value: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table of ready-made cells (`<td>...</td>`)."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f'<table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _headline_table(lines: Sequence[Headline]) -> str:
    rows = []
    for line in lines:
        verdict = {None: "", True: "reached", False: "missed"}[line.reached]
        aim = f'<td>{escape(line.aim)} <span class="{"good" if line.reached else "bad"}">{verdict}</span></td>'
        rows.append(
            [f"<th>{escape(line.name)}</th>", _cell(_number(line.value), "number"), aim, _cell(line.meaning, "soft")]
        )
    return _table(("measure", "value", "aim", "what it says"), rows, "headline")


def _calibration_table(curves: dict[str, Any]) -> str:
    rows = []
    for name, curve in curves.items():
        if curve is None:
            rows.append([f"<th>{escape(name)}</th>", _cell("none"), _cell("", "number"), _cell("", "number")])
            continue
        low, high = curve["degrees"][0], curve["degrees"][-1]
        error = "no way back on a circle" if curve["residual_degrees"] is None else f"{curve['residual_degrees']:.1f}°"
        share = f"{curve['explained']:.0%}"
        rows.append(
            [
                f"<th>{escape(name)}</th>",
                _cell(f"{low:g}° to {high:g}°"),
                _cell(error, "number"),
                _cell(share, "number"),
            ]
        )
    head = ("factor", "calibrated range", "error of the angle read back (RMS)", "variance of the latents explained")
    return f'<div class="wide">{_table(head, rows)}</div>'


def _invariance_table(holding: dict[str, Any]) -> str:
    rows = [
        [
            f"<th>{escape(name)}</th>",
            *(_cell(_number(entry[key]), "number") for key in ("within", "total", "ratio")),
            _cell(f"{entry['latents']} latents, {entry['minibatches']} mini-batches"),
        ]
        for name, entry in holding.items()
    ]
    head = ("mini-batches of", "variance within", "over the whole set", "ratio", "mean over")
    return f'<div class="wide">{_table(head, rows)}</div>'


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
    return _table((), [[f"<th>{escape(name)}</th>", _cell(value)] for name, value in facts.items()])
