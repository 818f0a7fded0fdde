"""The usual measures of disentanglement, taken one latent at a time, each beside what shuffled codes score.

MIG, SAP, modularity, DCI, FactorVAE and beta-VAE scores, with intervals over identities. DC-IGN gives the identity a
group of 197 latents, so those that ask for one latent a factor are near 0 for it even where the code is perfect: read
them with the scores of groups (`dcign.evaluation.evidence.groups`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from dcign.evaluation.charts import heat_map
from dcign.evaluation.evidence import basis, latent_scores
from dcign.evaluation.evidence.latent_scores import FEWEST_IDENTITIES, Trees, fit_trees, nothing, scores
from dcign.evaluation.evidence.types import Coded, Figure, Section, Table
from dcign.evaluation.metrics.bootstrap import estimate
from dcign.evaluation.metrics.disentanglement import (
    Factor,
    classes,
    columns,
    entropy,
    is_discrete,
    latent_bins,
    mig_gaps,
    mutual_information,
    nearest_neighbours,
    sap_gaps,
    sap_scores,
)
from dcign.evaluation.metrics.true_factors import true_factor
from dcign.model.code import AngleLatents
from render.shards.labels import Label

COEFFICIENTS = ("shape 1", "shape 2")  # the first two of a face model
FEWEST_IMAGES = 100
MOST_CLASSES = 20  # of a factor that is predicted
SHOWN = 5  # latents of the rest in the matrix of mutual information

SCORES = {  # name in report.json -> name, what it asks
    "mig": ("Mutual information gap (MIG)", "Does one latent alone know each factor?"),
    "sap": ("Separated predictability (SAP)", "Does one latent alone predict each factor, by a straight line?"),
    "modularity": ("Modularity", "Does each latent know one factor only?"),
    "disentanglement": ("DCI disentanglement", "Do boosted trees use each latent for one factor only?"),
    "completeness": ("DCI completeness", "Do boosted trees need one latent only for each factor?"),
    "informativeness": ("DCI informativeness", "How well do they predict the factors of unseen objects (R²)?"),
    "factor_vae": ("FactorVAE score", "Of images that share a factor, does the latent that varies least tell which?"),
    "beta_vae": ("beta-VAE score", "Do the differences between pairs of images tell which factor they share?"),
}


def measure(probes: Coded, angle_latents: AngleLatents, labels: Mapping[str, Label]) -> dict[str, Any]:
    """Every score with its interval over identities, for report.json; what cannot be had is None, with a warning.

    `probes` (M) vary in many factors at once. Labels are numbers, points on a circle where they go all around, or
    categories; MIG, modularity, FactorVAE and beta-VAE take numbers and circles in ten bins and add the identity, DCI
    and SAP add the first two shape coefficients instead, where there are any.
    """
    warnings: list[str] = []
    identities = len(np.unique(probes.identity))
    angles = true_factors(probes, labels, warnings)
    binned = {name: classes(factor) for name, factor in angles.items()}
    if identities > 1:
        binned["identity"] = classes(probes.identity)
    numbers = _few_classes(angles, warnings) | _coefficients(probes, identities, warnings)
    report: dict[str, Any] = {
        "images": len(probes.codes),
        "identities": identities,
        "latents": probes.codes.shape[1],
        "found": angle_latents.found,
        "factors": {"binned": list(binned), "predicted": list(numbers)},
    }
    if len(probes.codes) < FEWEST_IMAGES or not angles:
        missing = (
            "no factor varies" if not angles else f"{len(probes.codes)} images are too few ({FEWEST_IMAGES} needed)"
        )
        none = {name: nothing() for name in SCORES}
        warnings.append(f"No measure of disentanglement: {missing}.")
        return report | {"scores": none, "per_factor": {}, "knobs": {}, "warnings": warnings}
    if identities < FEWEST_IDENTITIES:
        warnings.append(
            f"{identities} identities are too few (at least {FEWEST_IDENTITIES} are needed) to train on some and test "
            "on others: no DCI, FactorVAE or beta-VAE score."
        )
    if len(binned) < 2:
        warnings.append("Only one factor varies: no modularity, FactorVAE or beta-VAE score.")
    if len(numbers) < 2:
        warnings.append("Only one factor can be predicted: no DCI score.")
    with threadpool_limits(1):  # sums in one order; and trees on several threads wait for a busy machine
        trees = fit_trees(probes.codes, probes.identity, numbers)
        scored = scores(probes.codes, probes.identity, binned, numbers, trees)
    return report | {
        "scores": scored,
        "per_factor": _per_factor(probes, binned, numbers),
        "mutual_information": _information(probes.codes, angle_latents, binned),
        "importance": None if trees is None else _importance(trees, angle_latents, numbers),
        "knobs": {
            name: _knob(probes, angle_latents.groups[name], angles[name])
            for name in angles
            if name in angle_latents.groups
        },
        "warnings": warnings,
    }


def true_factors(probes: Coded, labels: Mapping[str, Label], warnings: list[str]) -> dict[str, Factor]:
    """Return the labels that vary among the images; `warnings` gets a line for each that should and does not."""
    found: dict[str, Factor] = {}
    for name, label in labels.items():
        if not label.varies or name not in probes.values:
            continue
        if np.ptp(probes.values[name]) == 0:
            warnings.append(f"{name} is the same in all {len(probes.identity)} images: it is left out.")
        else:
            found[name] = true_factor(probes.values[name], label)
    return found


def _few_classes(factors: Mapping[str, Factor], warnings: list[str]) -> dict[str, Factor]:
    """Return the factors that can be predicted: of categories only those that are not too many."""
    counts = {name: len(np.unique(factor)) for name, factor in factors.items() if is_discrete(factor)}
    many = {name: count for name, count in counts.items() if count > MOST_CLASSES}
    warnings += [
        f"{name} has {count} categories, too many (more than {MOST_CLASSES}) for SAP and DCI."
        for name, count in many.items()
    ]
    return {name: factor for name, factor in factors.items() if name not in many}


def _coefficients(probes: Coded, identities: int, warnings: list[str]) -> dict[str, Factor]:
    if probes.coefficients is None or identities < FEWEST_IDENTITIES:
        return {}
    found: dict[str, Factor] = {}
    for name, values in zip(COEFFICIENTS, probes.coefficients.T, strict=False):
        if np.ptp(values) == 0:
            warnings.append(f"{name} is the same in all {len(values)} images: it is left out.")
        else:
            found[name] = values.astype(np.float64)
    return found


def _per_factor(
    probes: Coded, binned: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, Factor]
) -> dict[str, dict[str, float]]:
    """MIG and SAP of each factor apart."""
    if probes.codes.shape[1] < 2:
        return {}
    information = mutual_information(latent_bins(probes.codes), list(binned.values()))
    entropies = np.array([entropy(label) for label in binned.values()])
    return {
        "mig": dict(zip(binned, map(float, mig_gaps(information, entropies)), strict=True)),
        "sap": dict(zip(numbers, map(float, sap_gaps(sap_scores(probes.codes, numbers))), strict=True)),
    }


def _information(
    codes: NDArray[np.float32], angle_latents: AngleLatents, binned: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """Mutual information of the knobs, and of those of the rest that know the largest share of any factor."""
    information = mutual_information(latent_bins(codes), list(binned.values()))
    entropies = {name: entropy(label) for name, label in binned.items()}
    share = (information / list(entropies.values())).max(axis=1)[angle_latents.rest]
    names = _names(angle_latents) | {
        int(z): f"z[{z}]" for z in angle_latents.rest[np.argsort(-share, kind="stable")[:SHOWN]]
    }
    return {
        "latents": list(names.values()),
        "factors": list(binned),
        "nats": information[list(names)].tolist(),
        "entropy": entropies,
    }


def _names(angle_latents: AngleLatents) -> dict[int, str]:
    """Latent -> what the report calls it."""
    if angle_latents.found:  # one latent may move most with several angles
        owners: dict[int, list[str]] = {}
        for factor, latents in angle_latents.groups.items():
            for z in latents:
                owners.setdefault(int(z), []).append(factor)
        return {z: f"z[{z}], found for {_list(factors)}" for z, factors in owners.items()}
    return {
        int(z): f"z_{factor}" if len(latents) == 1 else f"z_{factor} {number}"
        for factor, latents in angle_latents.groups.items()
        for number, z in enumerate(latents, 1)
    }


def _importance(trees: Trees, angle_latents: AngleLatents, numbers: Mapping[str, Factor]) -> dict[str, Any]:
    """Importance of each knob and of all other latents together, as trees for DCI have it, and R^2 of each factor."""
    names = _names(angle_latents)
    classed = [name for name, factor in numbers.items() if is_discrete(factor)]
    return {
        **({"classes": classed} if classed else {}),
        "latents": [*names.values(), "all others"],
        "factors": list(numbers),
        "share": [*trees.importance[list(names)].tolist(), trees.importance[angle_latents.rest].sum(axis=0).tolist()],
        "r2": dict(zip(numbers, map(float, trees.per_factor), strict=True)),
    }


def _knob(probes: Coded, latents: NDArray[np.int64], factor: Factor) -> dict[str, Any]:
    """Measure how well the latents of a factor follow it; |Spearman| only for one latent and a number.

    The nearest-neighbour estimate is that of the best latent. It has no interval: rows drawn twice would be neighbours.
    """
    own, target = probes.codes[:, latents].astype(np.float64), columns(factor)
    ranked = len(latents) == 1 and factor.ndim == 1 and not is_discrete(factor)
    return {
        "r2": estimate(lambda rows: _r2(own[rows], target[rows]), probes.identity, latent_scores.DRAWS),
        "spearman": estimate(lambda rows: _spearman(own[rows, 0], factor[rows]), probes.identity, latent_scores.DRAWS)
        if ranked
        else None,
        "nearest_neighbours_nats": float(nearest_neighbours(own, factor).max()),
    }


def _r2(latents: NDArray[np.float64], target: NDArray[np.float64]) -> float | None:
    """Share of the variance of `target` (M, C), summed over its columns, that is linear in `latents` (M, W)."""
    centred, aim = latents - latents.mean(axis=0), target - target.mean(axis=0)
    deviation = centred.std(axis=0)
    moving = centred[:, deviation > 0] / deviation[deviation > 0]
    if not moving.shape[1] or not np.any(aim):
        return None
    missed = aim - moving @ np.linalg.lstsq(moving, aim, rcond=None)[0]
    return float(np.clip(1.0 - np.sum(missed**2) / np.sum(aim**2), 0.0, 1.0))


def _spearman(latent: NDArray[np.float64], factor: NDArray[np.float64]) -> float | None:
    if np.ptp(latent) == 0 or np.ptp(factor) == 0:
        return None
    return abs(float(stats.spearmanr(latent, factor).statistic))


def section(measures: Mapping[str, Any]) -> Section:
    """The part of the report: a table of scores, one of the knobs, and a heat map of importances."""
    parts: list[Figure | Table] = []
    if measures["per_factor"]:
        parts.append(_score_table(measures))
    if measures["knobs"]:
        parts.append(_knob_table(measures["knobs"]))
    if measures.get("importance"):
        parts.append(_importance_figure(measures["importance"]))
    vary = "" if basis.of(measures) else " in which all factors vary at once"
    text = (
        f"The usual measures of disentanglement, on {measures['images']:,} images of {measures['identities']:,} unseen "
        f"objects{vary}. They look at one latent at a time. A code that gives the object "
        "itself a whole group of latents reads near 0 for the object by those that ask for one latent a factor (MIG, "
        "SAP, DCI completeness), even where it is perfect: for that, see the scores of groups of latents."
    )
    return Section("Measures of disentanglement", basis.told(text, measures), parts, measures["warnings"])


def _score_table(measures: Mapping[str, Any]) -> Table:
    scored, factors = measures["scores"], measures["factors"]
    rows = [[title, scored[name], scored[name]["shuffled"], asks] for name, (title, asks) in SCORES.items()]
    few = min((score["draws"] for score in scored.values() if score["draws"]), default=0)
    many = max(score["draws"] for score in scored.values())
    cheap = _list([SCORES[name][0] for name, score in scored.items() if score["draws"] == many])
    return Table(
        ["measure", "value", "shuffled codes", "what it asks"],
        rows,
        "1 is best for all of them. 'Shuffled codes' is what codes score that belong to other images, and so know "
        "nothing: only what lies above that counts. "
        f"MIG, modularity, FactorVAE and beta-VAE scores ask for {_list(factors['binned'])}, in bins; "
        f"SAP and DCI for {_list(factors['predicted'])}. "
        + (
            f"Small: 95 % intervals over objects, for {cheap} from {many} draws of the objects, for others, where they "
            f"have one, from only {few}, and so rough."
            if many
            else "There are too few objects for intervals."
        ),
    )


def _list(names: Sequence[str]) -> str:
    return "nothing" if not names else " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _knob_table(knobs: Mapping[str, Any]) -> Table:
    rows = [[name, knob["r2"], knob["spearman"], knob["nearest_neighbours_nats"]] for name, knob in knobs.items()]
    return Table(
        ["factor", "R²", "|Spearman|", "information, nats"],
        rows,
        "How well the latents of a factor follow it while all else varies. R²: how much of it is linear in them (of an "
        "angle all around: of its cosine and sine, of which a single latent reaches about a half; of categories: of "
        "which it is, 0 or 1 for each). |Spearman|: "
        "how steadily the one latent rises or falls; 1 is best for both. Information: mutual information by nearest "
        "neighbours, without an upper end; more is better.",
    )


def _importance_figure(importance: Mapping[str, Any]) -> Figure:
    latents, factors, values = importance["latents"], importance["factors"], np.array(importance["share"])
    size = (3.0 + 1.05 * len(factors), 1.3 + 0.7 * len(latents))
    classed = importance.get("classes", ())
    columns = [f"{name}\n{'right' if name in classed else 'R²'} {importance['r2'][name]:.2f}" for name in factors]
    return Figure(
        "importance",
        heat_map(values, latents, columns, "share of the prediction", size),
        "Which latents boosted trees use to predict each factor (column, shares that sum to 1), and how well they "
        "predict it for unseen objects (R², or the share of right guesses of a category). Good: each factor from its "
        "own latents alone, the object from all others alone. Where R² is low, the shares say little.",
    )
