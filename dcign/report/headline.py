"""The few numbers to read first, with what each says and what it should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcign.evaluation.evidence.types import Evidence
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.units import amount_text, in_units
from dcign.report.rows import is_rendered, labels_in
from render.shards.labels import DEGREES, Label

PAPER_CHAIR_MSE = 2.7722e-4  # paper, section 4.2
# What the demo must reach on unseen identities of the built-in face (docs/results.md).
FACE_AIMS = {"azimuth": 0.95, "elevation": 0.9, "light": 0.9}
LARGEST_LEAK, LARGEST_RATIO = 0.3, 0.25
WAYS = {"read_back": "the calibration", "linear": "a linear reader"}  # of telling a category


@dataclass(frozen=True)
class Headline:
    """One line of the table at the top; `reached` is None where there is no aim or no value.

    `low`, `high`: the 95 % interval, where there is one.
    """

    name: str
    value: float | None
    aim: str
    reached: bool | None
    meaning: str
    low: float | None = None
    high: float | None = None


def headlines(measures: dict[str, Any], evidence: Mapping[str, Evidence]) -> list[Headline]:
    """The few numbers to read first, with the aim of each where one is known; `evidence` as in `dcign.report.write`.

    Aims and the paper's figures are of what the renderer draws.
    """
    labels = labels_in(measures)
    face, chair = (is_rendered(measures) and measures["run"]["object"] == thing for thing in ("face", "chair"))
    lines, known = [], measures["intervals"]
    ranks = known["spearman"]
    for name, value in measures["spearman"]["own"].items():
        aim = FACE_AIMS.get(name) if face else None
        lines.append(
            Headline(
                f"|Spearman| of z_{name} with {name}",
                value,
                "" if aim is None else f"at least {aim:g}",
                None if aim is None or value is None else value >= aim,
                f"1: the latent orders images exactly by their true {name}; 0: it does not follow it.",
                *_ends(ranks.get(name, {}).get(name)),
            )
        )
    for name, value in measures["circular_r2"].items():
        meaning = "Share of the latent's variance that a sinusoid of the angle explains; right for a full circle."
        ends = _ends(known["circular_r2"].get(name))
        lines.append(Headline(f"circular R² of z_{name} with {name}", value, "", None, meaning, *ends))
    for name, group in measures["groups"].items():
        error = None if is_rendered(measures) else known["read_back_degrees"].get(name)
        lines += _group(labels[name], group, error, known["read_back_median"].get(name))
    for name, found in measures.get("categories", {}).items():
        lines += _category(name, found, known["categories"][name])
    leak = measures["spearman"]["largest_leak"]
    if leak is not None:
        meaning = (
            f"|Spearman| of z_{leak['latent']} with true {leak['factor']}: what a latent knows of another's factor."
        )
        reached = leak["value"] <= LARGEST_LEAK if face else None
        goal, ends = f"at most {LARGEST_LEAK:g}" if face else "", _ends(ranks[leak["latent"]][leak["factor"]])
        lines.append(Headline("largest leak", leak["value"], goal, reached, meaning, *ends))
    pixels = measures["reconstruction"]
    paper = f"paper: {PAPER_CHAIR_MSE:.5g} (its own 150 chairs)"
    lines.append(
        Headline(
            "reconstruction MSE",
            pixels["mse"],
            paper if chair else "",
            None,
            "Mean squared error over all pixels of all images, grey values in [0, 1], decoded from the means.",
            *_ends(known["mse"]),
        )
    )
    if chair:
        mse = pixels["mse"]
        meaning = (
            "The authors' program divides by 3 x 150 x 150 an image, though images have one channel; whether the "
            "paper's figure came through that line is not known, so it may be this that compares with it."
        )
        lines.append(Headline("reconstruction MSE / 3", None if mse is None else mse / 3, paper, None, meaning))
    meaning = "Error of predicting for every image the mean image of this very set, the best constant picture there is."
    lines.append(Headline("mean-image MSE", pixels["mean_image_mse"], "", None, meaning))
    ratio = pixels["ratio"]
    lines.append(
        Headline(
            "ratio of the two",
            ratio,
            f"at most {LARGEST_RATIO:g}" if face else "",
            None if ratio is None or not face else ratio <= LARGEST_RATIO,
            "0: perfect; 1: no better than the mean image.",
            *_ends(known["ratio"]),
        )
    )
    return [*lines, *_of_evidence({name: kind.measures for name, kind in evidence.items()}, labels)]


def _of_evidence(evidence: Mapping[str, Any], labels: Mapping[str, Label]) -> list[Headline]:
    """The lines of what needs other images than mini-batches: novel views, features, recognition, leaks of groups."""
    lines = []
    for name, views in (evidence.get("novel_views", {}).get("factors") or {}).items():
        if views is not None:
            copying, mean = views["copy_input"]["mse"]["value"], views["mean_image_mse"]["value"]
            meaning = (
                f"Error of the decoded image at another {name} against the true one there. Copying the input has "
                f"{copying:.3g}, the mean image {mean:.3g}."
            )
            lines.append(_line(f"novel-view MSE, {name}", views["mse"], meaning))
    for key, name in (("reconstruction", ""), ("half_profile", ", novel views at ±45°")):
        boxes = evidence.get("facial_features", {}).get(key)
        if boxes is not None and boxes["all"]["ssim"]["value"] is not None:
            parts = ", ".join(f"{part} {found['ssim']['value']:.2f}" for part, found in boxes.items() if part != "all")
            meaning = f"Mean inside boxes around eyes, brows, nose and mouth, 1 for the same picture: {parts}."
            lines.append(_line(f"SSIM of features{name}", boxes["all"]["ssim"], meaning))
    methods = evidence.get("recognition", {}).get("methods") or {}
    if methods.get("rest") and methods.get("pixels"):
        chance, pixels = evidence["recognition"]["chance"]["rank1"], methods["pixels"]["rank1"]["value"]
        how = "in any pose and light, from one frontal image of each, by the latents of no angle"
        if "basis" in evidence["recognition"]:
            how = "whatever the factors, from one image of each, by the latents of no factor"
        meaning = f"Who is it, {how}. Pixels have {pixels:.3g}, chance {chance:.3g}."
        lines.append(_line("rank-1 recognition", methods["rest"]["rank1"], meaning))
    overall = evidence.get("groups", {}).get("overall") or {}
    leak = overall.get("largest_leak") or {}
    if leak.get("group") is not None:
        group = f"z_{leak['group']}" if leak["group"] in labels else "all other latents"
        meaning = f"R² of {leak['factor']} as predicted from {group}, which should not know it. 0 is best."
        lines.append(_line("largest leak between groups", leak, meaning))
    return lines


def _line(name: str, estimate: Mapping[str, Any], meaning: str) -> Headline:
    return Headline(name, estimate["value"], "", None, meaning, estimate["low"], estimate["high"])


def _ends(estimate: Estimate | None) -> tuple[float | None, float | None]:
    return (None, None) if estimate is None else (estimate["low"], estimate["high"])


def _group(label: Label, group: Mapping[str, Any], error: Estimate | None, median: Estimate | None) -> list[Headline]:
    """The lines of a factor with a group of latents instead of a single one."""
    width, name = group["latents"], label.name
    if "circular_r2" in group:
        first = Headline(
            f"circular R² of {name} from its {width} latents",
            group["circular_r2"],
            "",
            None,
            "Share of the sine and cosine of the angle that least squares on the latents explains. 1: the angle can be "
            "read off all round; 1/2: along one axis of the circle only.",
        )
    else:
        meaning = f"Share of the {name} that least squares on the latents explains. 1: it can be read off."
        first = Headline(f"R² of {name} from its {width} latents", group["r2"], "", None, meaning)
    guess = "; on a full circle, 104 is a mere guess"
    if label.unit != DEGREES:
        guess = f"; {amount_text(label, label.period / 12**0.5)} is a mere guess" if label.circular else ""
    return [
        first,
        Headline(
            f"read-back error of {in_units(label)}",
            group["read_back_degrees"],
            "",
            None,
            f"Root mean square error of the {'angle' if label.unit == DEGREES else 'value'} read from the latents "
            f"through the calibration{guess}.",
            *_ends(error),
        ),
        Headline(
            f"median read-back error of {in_units(label)}",
            None if median is None else median["value"],
            "",
            None,
            "Half of all images are read nearer; a few that are far off hardly count.",
            *_ends(median),
        ),
    ]


def _category(name: str, found: Mapping[str, Any], intervals: Mapping[str, Estimate]) -> list[Headline]:
    """The lines of a factor of categories: how often the right one is read."""
    chance = f"The most frequent of {found['categories']} is right in {found['chance']:.3g}."
    how = {
        "read_back": f"Share of images whose {name} is read right through the calibration, which is fitted to them.",
        "linear": f"The same by a linear reader of its latents, fitted to other identities. {chance}",
    }
    return [
        Headline(f"{name} read right by {WAYS[key]}", found[key], "", None, says, *_ends(intervals.get(key)))
        for key, says in how.items()
    ]
