"""Recognition of unseen objects under other poses and lights, by cosine similarity of codes and of pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib import figure as drawing
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from dcign.engine.curves import value_error
from dcign.engine.drawing import value_text
from dcign.evaluation.charts import DPI, INK, LINE, POINTS, figure_png
from dcign.evaluation.evidence import basis
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Table
from dcign.evaluation.metrics import recognition
from dcign.evaluation.metrics.bootstrap import FEWEST, Estimate, estimate, mean
from dcign.evaluation.metrics.true_factors import bin_width
from dcign.evaluation.units import chart_text
from dcign.model.code import AngleLatents
from render.shards.labels import DEGREES, Label

# name in report.json -> on the page, colour, line
METHODS = {
    "rest": ("code without its factors", POINTS, "-"),
    "rest_centred": ("code without its factors, centred", POINTS, "--"),
    "code": ("whole code", "#6b9f3a", "-"),
    "pixels": ("pixels", LINE, "-"),
    "pixels_pca": ("principal components of pixels", LINE, "--"),
}
FALSE_POSITIVE_RATES = np.geomspace(1e-3, 1.0, 31)
MOST_REFERENCES = 2000
STRIDE = 256  # images at once as floats
BIN, CIRCLE_BIN = 15.0, 30.0  # degrees
MOST_BINS = 6  # in other units

Similarity = NDArray[np.float64]


def measure(
    gallery: Coded,
    probes: Coded,
    angle_latents: AngleLatents,
    labels: Mapping[str, Label],
    reference: NDArray[np.uint8] | None,
) -> dict[str, Any]:
    """Rank-1, rank-5, equal error rate and receiver operating characteristic of each of `METHODS`.

    `gallery` one image of each object, `reference` (R, H, W) images of others, for the principal components (None
    where there are none); of more than `MOST_REFERENCES`, evenly spaced ones are taken. All methods are None where too
    few objects or a gallery that lacks some leave nothing to measure.
    """
    warnings: list[str] = []
    result: dict[str, Any] = {
        "identities": len(gallery.codes),
        "probes": len(probes.codes),
        "latents": len(angle_latents.rest),
        "components": None,
        "chance": None,
        "bins": {},
        "false_positive_rates": [],
        "methods": dict.fromkeys(METHODS),
        "warnings": warnings,
    }
    if not _usable(gallery, probes, warnings):
        return result
    result["chance"] = {"rank1": 1 / len(gallery.codes), "rank5": min(1.0, 5 / len(gallery.codes)), "eer": 0.5}
    result["false_positive_rates"] = [float(rate) for rate in FALSE_POSITIVE_RATES]
    own = recognition.own_column(probes.identity, gallery.identity)
    bins = {
        name: _bins(name, gallery, probes, own, label)
        for name, label in labels.items()
        if label.varies and name in probes.values
    }
    result["bins"] = {
        name: [{"low": low, "high": high, "probes": len(rows)} for low, high, rows in parts]
        for name, parts in bins.items()
    }
    with threadpool_limits(1, "blas"):  # sums in one order, whatever the machine
        similarities = _of_codes(gallery, probes, angle_latents, warnings)
        mean_image = _rows(gallery.images).mean(axis=0)
        similarities["pixels"] = _of_pixels(gallery, probes, lambda rows: rows - mean_image)
        components = _components(reference, len(angle_latents.rest), warnings)
        if components is not None:
            result["components"] = int(components.n_components_)
            similarities["pixels_pca"] = _of_pixels(gallery, probes, components.transform)
        for name, similarity in similarities.items():
            result["methods"][name] = _of_method(similarity, own, probes.identity, bins)
    return result


def _usable(gallery: Coded, probes: Coded, warnings: list[str]) -> bool:
    known = np.unique(gallery.identity)
    missing = np.setdiff1d(probes.identity, known)
    if len(np.unique(probes.identity)) < FEWEST:
        warnings.append(
            f"{len(np.unique(probes.identity))} objects are too few for recognition (at least {FEWEST} are needed)."
        )
    elif len(known) < len(gallery.identity):
        warnings.append("The gallery shows some objects more than once: no recognition is reported.")
    elif len(missing):
        warnings.append(f"{len(missing)} objects of the probes are not in the gallery: no recognition is reported.")
    return not warnings


def _bins(
    name: str, gallery: Coded, probes: Coded, own: NDArray[np.int64], label: Label
) -> list[tuple[float, float, NDArray[np.int64]]]:
    """Sort probes by their change from the gallery image, the short way round: (low, high, which probes).

    Of categories 0 to 0 are those of the same, 1 to 1 those of another.
    """
    change = np.abs(value_error(probes.values[name], gallery.values[name][own], label))
    if label.categories:
        return [(end, end, np.flatnonzero(change == end)) for end in (0.0, 1.0)]
    width = _width(label)
    number = np.floor(change / width).astype(np.int64)
    number[(change > 0) & (change % width == 0)] -= 1  # the end of the range is in the last bin
    return [(width * at, width * (at + 1), np.flatnonzero(number == at)) for at in range(int(number.max()) + 1)]


def _width(label: Label) -> float:
    """Return how wide a bin of changes is, in the label's unit."""
    if label.unit == DEGREES:
        return CIRCLE_BIN if label.circular else BIN
    return bin_width(label.period / 2 if label.circular else label.high - label.low, MOST_BINS)


def _of_codes(gallery: Coded, probes: Coded, angle_latents: AngleLatents, warnings: list[str]) -> dict[str, Similarity]:
    """Similarities (P, G) by the methods that compare codes."""
    found = {"code": recognition.cosine(probes.codes, gallery.codes)}
    if not len(angle_latents.rest):
        warnings.append("The code has no latents but those of its angles, so none are left to recognise by.")
        return found
    own, theirs = probes.codes[:, angle_latents.rest], gallery.codes[:, angle_latents.rest]
    centre = theirs.mean(axis=0, dtype=np.float64)
    found["rest"] = recognition.cosine(own, theirs)
    found["rest_centred"] = recognition.cosine(own - centre, theirs - centre)
    return found


def _components(reference: NDArray[np.uint8] | None, latents: int, warnings: list[str]) -> PCA | None:
    """Principal components of the pixels of `reference` (R, H, W): as many as `latents`, or as there can be."""
    if reference is None or len(reference) < 2 or latents == 0:
        warnings.append("Principal components of pixels need latents to match in number and images of other objects.")
        return None
    chosen = np.linspace(0, len(reference) - 1, min(len(reference), MOST_REFERENCES)).astype(np.int64)
    count = min(latents, len(chosen) - 1, reference[0].size)
    # three iterations instead of seven: half the time, and no component that matters changes
    return PCA(count, svd_solver="randomized", iterated_power=3, random_state=0, copy=False).fit(
        _rows(reference[chosen])
    )


def _of_pixels(
    gallery: Coded, probes: Coded, prepare: Callable[[NDArray[np.float32]], NDArray[np.floating]]
) -> Similarity:
    """Cosine (P, G) of what `prepare` makes of images as rows of pixels."""
    theirs = prepare(_rows(gallery.images))
    starts = range(0, len(probes.images), STRIDE)
    return np.concatenate(
        [recognition.cosine(prepare(_rows(probes.images[at : at + STRIDE])), theirs) for at in starts]
    )


def _rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (N, H, W) as rows of pixels (N, H * W)."""
    return images.reshape(len(images), -1).astype(np.float32)


def _of_method(
    similarity: Similarity,
    own: NDArray[np.int64],
    identity: NDArray[np.int64],
    bins: Mapping[str, list[tuple[float, float, NDArray[np.int64]]]],
) -> dict[str, Any]:
    """Take the measures of one method, with intervals over the identities of the probes; the gallery stays."""
    first = recognition.hits(similarity, own, 1)
    pairs = recognition.receiver(similarity, own, identity)
    _, label, views = np.unique(identity, return_inverse=True, return_counts=True)

    def equal_error_rate(rows: NDArray[np.int64]) -> float:
        weight = np.bincount(label[rows], minlength=len(views)) / views
        return recognition.equal_error_rate(*pairs.curve(weight))

    rates = recognition.true_positive_rates(*pairs.curve(np.ones(len(views))), FALSE_POSITIVE_RATES)
    return {
        "rank1": mean(first, identity),
        "rank5": mean(recognition.hits(similarity, own, 5), identity),
        "eer": estimate(equal_error_rate, identity),
        "true_positive_rates": [float(rate) for rate in rates],
        "rank1_by_change": {
            name: [mean(first[rows], identity[rows]) for _, _, rows in parts] for name, parts in bins.items()
        },
    }


def section(measures: Mapping[str, Any], labels: Mapping[str, Label]) -> Section:
    """The page's part on recognition, from what `measure` gave."""
    methods = {name: found for name, found in measures["methods"].items() if found}
    count, reference = measures["latents"], measures.get("reference")
    at = "all at one pose and light"
    if reference is not None:
        places = [f"{name} {value_text(labels[name], value)}" for name, value in reference.items()]
        at = f"the nearest to {', '.join(places)} that there is" if places else "whichever comes first"
    text = (
        f"One image of each of {measures['identities']} unseen objects is known, {at} (the gallery). Which of them "
        f"does each of {measures['probes']} other images show, whatever its factors? The most similar one is the "
        "answer; similarity is the cosine between codes without the latents of the factors, as on the paper's project "
        "page (z[3:] there), and for comparison between whole codes and between pixels. Intervals are 95 %, over "
        "objects."
    )
    parts: list[Figure | Table] = []
    if methods:
        parts.append(_table(methods, measures["chance"], count, measures["components"]))
        parts += [_bin_chart(name, methods, measures, labels[name]) for name in measures["bins"]]
        parts.append(_receiver_chart(methods, measures))
    title = "Recognising an object under another pose and light"
    if reference is not None:
        title = "Recognising an object where the factors are others"
    return Section(title, basis.told(text, measures), parts, tuple(measures["warnings"]))


def _table(methods: Mapping[str, Any], chance: Mapping[str, float], latents: int, components: int | None) -> Table:
    rows: list[list[Cell]] = [
        [METHODS[name][0], found["rank1"], found["rank5"], found["eer"]] for name, found in methods.items()
    ]
    rows.append(["guessing", chance["rank1"], chance["rank5"], chance["eer"]])
    parts = f" and as many principal components ({components}), of images of other objects" if components else ""
    return Table(
        ["similarity of", "rank-1", "rank-5", "equal error rate"],
        rows,
        "Rank-1: how often the most similar image of the gallery shows the right object; rank-5: how often one of the "
        "five most similar does. Equal error rate, of telling whether two images show one object, at the threshold "
        "where both kinds of mistake are equally frequent. Good: rates near 1, equal error rate near 0. "
        f"The code without its factors has {latents} latents{parts}. Centred: less the mean of the gallery, as pixels "
        "are too.",
    )


def _bin_chart(factor: str, methods: Mapping[str, Any], measures: Mapping[str, Any], label: Label) -> Figure:
    bins = measures["bins"][factor]
    figure = drawing.Figure(figsize=(7.2, 4.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    centres = [(part["low"] + part["high"]) / 2 for part in bins]
    for name, found in methods.items():
        method, color, line = METHODS[name]
        values = [np.nan if e["value"] is None else e["value"] for e in found["rank1_by_change"][factor]]
        axes.plot(centres, values, color=color, linestyle=line, marker="o", markersize=4, label=method)
    for name in ("rest", "pixels"):
        if name in methods:
            _band(axes, centres, methods[name]["rank1_by_change"][factor], METHODS[name][1])
    axes.axhline(measures["chance"]["rank1"], color=INK, linestyle=":", linewidth=1, label="guessing")
    axes.set_xticks(centres, [f"{_bin_text(part, label)}\n{part['probes']} images" for part in bins], fontsize=8)
    axes.set_xlabel(f"change of {factor} from the gallery's image")
    axes.set_ylabel("rank-1")
    axes.set_ylim(0.0, min(1.02, axes.get_ylim()[1]))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return Figure(
        f"recognition-{factor}",
        figure_png(figure),
        f"Rank-1 recognition by how far the {factor} is from that of the gallery, all other factors changing too. "
        "Good: high and level. Bands are 95 % intervals over objects.",
    )


def _bin_text(part: Mapping[str, Any], label: Label) -> str:
    """Name a bin of changes: '0 to 15°', '1.5 to 3 cm', 'the same'."""
    if label.categories:
        return "another" if part["low"] else "the same"
    if label.unit == DEGREES:
        return f"{part['low']:.0f} to {part['high']:.0f}°"
    return chart_text(f"{part['low']:.3g} to {part['high']:.3g}{label.symbol}")


def _band(axes: Any, x: list[float], values: list[Estimate], color: str) -> None:
    low, high = ([np.nan if e[end] is None else e[end] for e in values] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def _receiver_chart(methods: Mapping[str, Any], measures: Mapping[str, Any]) -> Figure:
    figure = drawing.Figure(figsize=(5.6, 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    false = measures["false_positive_rates"]
    for name, found in methods.items():
        label, color, line = METHODS[name]
        axes.plot(false, found["true_positive_rates"], color=color, linestyle=line, label=label)
    axes.plot(false, false, color=INK, linestyle=":", linewidth=1, label="guessing")
    axes.set_xscale("log")
    axes.set_xlabel("different objects taken for the same")
    axes.set_ylabel("same objects recognised as the same")
    axes.set_ylim(0.0, 1.02)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return Figure(
        "recognition-verification",
        figure_png(figure),
        "Verification: are two images of one object? Share of right answers for pairs that are, against the share of "
        "pairs that are not and pass (receiver operating characteristic). Good: high on the left.",
    )
