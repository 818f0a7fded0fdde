"""The usual measures of disentanglement, taken one latent at a time, each beside what shuffled codes score.

MIG, SAP, modularity, DCI, FactorVAE and beta-VAE scores, with intervals over identities. DC-IGN gives the identity a
group of 197 latents, so those that ask for one latent a factor are near 0 for it even where the code is perfect: read
them with the scores of groups (`dcign.evaluation.evidence.groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from dcign.evaluation.charts import heat_map
from dcign.evaluation.evidence.types import Coded, Figure, Section, Table
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.bootstrap import estimate
from dcign.evaluation.metrics.dci import dci_scores, split
from dcign.evaluation.metrics.disentanglement import (
    Factor,
    circle,
    classes,
    columns,
    entropy,
    latent_bins,
    mig_gaps,
    modularity_scores,
    mutual_information,
    nearest_neighbours,
    sap,
    sap_gaps,
    sap_scores,
)
from dcign.evaluation.metrics.vae_scores import beta_vae_score, factor_vae_score
from dcign.model.code import AngleLatents

COEFFICIENTS = ("shape 1", "shape 2")  # the first two of a face model
FEWEST_IMAGES = 100
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
FEWEST_IDENTITIES = 10  # to train on some and test on others
DRAWS, FEW_DRAWS = 100, 15  # of identities, for the intervals of what is cheap, and of what is fitted anew each time
DCI = ("disentanglement", "completeness", "informativeness")
NAMES = ("mig", "sap", "modularity", *DCI, "factor_vae", "beta_vae")

Rows = NDArray[np.int64]
Scored = Mapping[str, float | None]
Score = Callable[[Rows], Scored]


def measure(probes: Coded, angle_latents: AngleLatents, ranges: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Every score with its interval over identities, for report.json; what cannot be had is None, with a warning.

    `probes` (M) vary in all factors at once. Angles are numbers, or points on a circle where they go all around; MIG,
    modularity, FactorVAE and beta-VAE take them in ten bins and add the identity, DCI and SAP add the first two shape
    coefficients instead, where there are any.
    """
    warnings: list[str] = []
    identities = len(np.unique(probes.identity))
    angles = _angles(probes, ranges, warnings)
    labels = {name: classes(factor) for name, factor in angles.items()}
    if identities > 1:
        labels["identity"] = classes(probes.identity)
    numbers = angles | _coefficients(probes, identities, warnings)
    report: dict[str, Any] = {
        "images": len(probes.codes),
        "identities": identities,
        "latents": probes.codes.shape[1],
        "found": angle_latents.found,
        "factors": {"binned": list(labels), "predicted": list(numbers)},
    }
    if len(probes.codes) < FEWEST_IMAGES or not angles:
        missing = (
            "no angle varies" if not angles else f"{len(probes.codes)} images are too few ({FEWEST_IMAGES} needed)"
        )
        none = {name: nothing() for name in SCORES}
        warnings.append(f"No measure of disentanglement: {missing}.")
        return report | {"scores": none, "per_factor": {}, "knobs": {}, "warnings": warnings}
    if identities < FEWEST_IDENTITIES:
        warnings.append(
            f"{identities} identities are too few (at least {FEWEST_IDENTITIES} are needed) to train on some and test "
            "on others: no DCI, FactorVAE or beta-VAE score."
        )
    if len(labels) < 2:
        warnings.append("Only one factor varies: no modularity, FactorVAE or beta-VAE score.")
    if len(numbers) < 2:
        warnings.append("Only one factor can be predicted: no DCI score.")
    with threadpool_limits(1):  # sums in one order; and trees on several threads wait for a busy machine
        scored = scores(probes.codes, probes.identity, labels, numbers)
    return report | {
        "scores": scored,
        "per_factor": _per_factor(probes, labels, numbers),
        "mutual_information": _information(probes.codes, angle_latents, labels),
        "importance": _importance(probes, angle_latents, numbers)
        if scored["completeness"]["value"] is not None
        else None,
        "knobs": {
            name: _knob(probes, angle_latents.groups[name], angles[name])
            for name in angles
            if name in angle_latents.groups
        },
        "warnings": warnings,
    }


def _angles(probes: Coded, ranges: Mapping[str, tuple[float, float]], warnings: list[str]) -> dict[str, Factor]:
    found: dict[str, Factor] = {}
    for name, (low, high) in ranges.items():
        if high <= low or name not in probes.values:
            continue
        degrees = probes.values[name].astype(np.float64)
        if np.ptp(degrees) == 0:
            warnings.append(f"{name} is the same in all {len(degrees)} images: it is left out.")
        else:
            found[name] = circle(degrees) if high - low >= 360.0 else degrees
    return found


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
    probes: Coded, labels: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, Factor]
) -> dict[str, dict[str, float]]:
    """MIG and SAP of each factor apart."""
    if probes.codes.shape[1] < 2:
        return {}
    information = mutual_information(latent_bins(probes.codes), list(labels.values()))
    entropies = np.array([entropy(label) for label in labels.values()])
    return {
        "mig": dict(zip(labels, map(float, mig_gaps(information, entropies)), strict=True)),
        "sap": dict(zip(numbers, map(float, sap_gaps(sap_scores(probes.codes, numbers))), strict=True)),
    }


def _information(
    codes: NDArray[np.float32], angle_latents: AngleLatents, labels: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """Mutual information of the knobs, and of those of the rest that know the largest share of any factor."""
    information = mutual_information(latent_bins(codes), list(labels.values()))
    entropies = {name: entropy(label) for name, label in labels.items()}
    share = (information / list(entropies.values())).max(axis=1)[angle_latents.rest]
    names = _names(angle_latents) | {
        int(z): f"z[{z}]" for z in angle_latents.rest[np.argsort(-share, kind="stable")[:SHOWN]]
    }
    return {
        "latents": list(names.values()),
        "factors": list(labels),
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


def _importance(probes: Coded, angle_latents: AngleLatents, numbers: Mapping[str, Factor]) -> dict[str, Any] | None:
    """Importance of each knob and of all other latents together, as trees for DCI have it, and R^2 of each factor."""
    found = dci_scores(probes.codes, numbers, *split(probes.identity))
    if found is None:
        return None
    names = _names(angle_latents)
    return {
        "latents": [*names.values(), "all others"],
        "factors": list(numbers),
        "share": [*found.importance[list(names)].tolist(), found.importance[angle_latents.rest].sum(axis=0).tolist()],
        "r2": dict(zip(numbers, map(float, found.per_factor), strict=True)),
    }


def _knob(probes: Coded, latents: NDArray[np.int64], factor: Factor) -> dict[str, Any]:
    """Measure how well the latents of an angle follow it; |Spearman| only for one latent and no full circle.

    The nearest-neighbour estimate is that of the best latent. It has no interval: rows drawn twice would be neighbours.
    """
    own, target = probes.codes[:, latents].astype(np.float64), columns(factor)
    ranked = len(latents) == 1 and factor.ndim == 1
    return {
        "r2": estimate(lambda rows: _r2(own[rows], target[rows]), probes.identity, DRAWS),
        "spearman": estimate(lambda rows: _spearman(own[rows, 0], factor[rows]), probes.identity, DRAWS)
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
    text = (
        f"The usual measures of disentanglement, on {measures['images']:,} images of {measures['identities']:,} unseen "
        "objects in which all factors vary at once. They look at one latent at a time. A code that gives the object "
        "itself a whole group of latents reads near 0 for the object by those that ask for one latent a factor (MIG, "
        "SAP, DCI completeness), even where it is perfect: for that, see the scores of groups of latents."
    )
    return Section("Measures of disentanglement", text, parts, measures["warnings"])


def _score_table(measures: Mapping[str, Any]) -> Table:
    scored, factors = measures["scores"], measures["factors"]
    rows = [[title, scored[name], scored[name]["shuffled"], asks] for name, (title, asks) in SCORES.items()]
    few = min((score["draws"] for score in scored.values() if score["draws"]), default=0)
    many = max(score["draws"] for score in scored.values())
    return Table(
        ["measure", "value", "shuffled codes", "what it asks"],
        rows,
        "1 is best for all of them. 'Shuffled codes' is what codes score that belong to other images, and so know "
        "nothing: only what lies above that counts. "
        f"MIG, modularity, FactorVAE and beta-VAE scores ask for {_list(factors['binned'])}, in bins; "
        f"SAP and DCI for {_list(factors['predicted'])}. "
        f"Small: 95 % intervals over objects, for MIG, SAP and modularity from {many} draws of the objects, for the "
        f"others from only {few}, and so rough.",
    )


def _list(names: Sequence[str]) -> str:
    return "nothing" if not names else " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _knob_table(knobs: Mapping[str, Any]) -> Table:
    rows = [[name, knob["r2"], knob["spearman"], knob["nearest_neighbours_nats"]] for name, knob in knobs.items()]
    return Table(
        ["angle", "R²", "|Spearman|", "information, nats"],
        rows,
        "How well the latents of an angle follow it while all else varies. R²: how much of the angle is linear in them "
        "(of an angle all around: of its cosine and sine, of which a single latent reaches about a half). |Spearman|: "
        "how steadily the one latent rises or falls; 1 is best for both. Information: mutual information by nearest "
        "neighbours, without an upper end; more is better.",
    )


def _importance_figure(importance: Mapping[str, Any]) -> Figure:
    latents, factors, values = importance["latents"], importance["factors"], np.array(importance["share"])
    size = (3.0 + 1.05 * len(factors), 1.3 + 0.7 * len(latents))
    columns = [f"{name}\nR² {importance['r2'][name]:.2f}" for name in factors]
    return Figure(
        "importance",
        heat_map(values, latents, columns, "share of the prediction", size),
        "Which latents boosted trees use to predict each factor (column, shares that sum to 1), and how well they "
        "predict it for unseen objects (R²). Good: each angle from its own latent alone, the shape from all others "
        "alone. Where R² is low, the shares say little.",
    )


def scores(
    codes: NDArray[np.float32],
    identity: NDArray[np.int64],
    labels: Mapping[str, NDArray[np.int64]],
    numbers: Mapping[str, Factor],
) -> dict[str, dict[str, Any]]:
    """Score `codes` (M, Z) of `identity` (M,), by `NAMES`: an Estimate, how many `draws` its interval is from, and the
    score of `shuffled` codes, which belong to other images.

    `labels` classes (M,) for MIG, modularity, FactorVAE and beta-VAE; `numbers` what SAP and DCI predict. None where
    there are fewer than two factors, or than `FEWEST_IDENTITIES` for those that train on some and test on others.
    """
    bins = latent_bins(codes)
    mixed = np.random.default_rng(0).permutation(len(bins))
    shuffled = codes[mixed]
    by_information, by_correlation = partial(_by_information, list(labels.values())), partial(_by_correlation, numbers)
    found = {name: nothing() for name in NAMES}
    found |= _with_intervals(partial(by_information, bins), partial(by_information, bins[mixed]), identity, DRAWS)
    found |= _with_intervals(partial(by_correlation, codes), partial(by_correlation, shuffled), identity, DRAWS)
    if len(np.unique(identity)) >= FEWEST_IDENTITIES:
        trained = np.zeros(len(bins), dtype=bool)
        trained[split(identity)[0]] = True
        for score in (partial(_by_trees, numbers), partial(_by_votes, labels)):
            on_sides = partial(score, identity, trained)
            found |= _with_intervals(partial(on_sides, codes), partial(on_sides, shuffled), identity, FEW_DRAWS)
    return found


def nothing() -> dict[str, Any]:
    """The entry of a score that cannot be had."""
    return {"value": None, "low": None, "high": None, "draws": 0, "shuffled": None}


def _with_intervals(score: Score, shuffled: Score, identity: NDArray[np.int64], draws: int) -> dict[str, Any]:
    """Return every value of `score` on all rows, with its interval: percentiles of its draws, less their bias.

    Fewer different identities look like more knowledge, so these scores are off in every draw, most of all for noise:
    the draws are moved until their mean lies on the value. Efron and Tibshirani (1993), chapter 10.
    """
    everything = np.arange(len(identity))
    values, base = score(everything), shuffled(everything)
    enough = len(np.unique(identity)) >= bootstrap.FEWEST
    resampled = [score(rows) for rows in bootstrap.resamples(identity, draws if enough else 0)]
    found = {}
    for name, value in values.items():
        spread = np.array([each for draw in resampled if (each := draw[name]) is not None])
        low = high = None
        if value is not None and len(spread) and len(spread) * 2 >= draws:
            tail = (1 - bootstrap.LEVEL) / 2
            ends = value + np.quantile(spread, [tail, 1 - tail]) - spread.mean()
            low, high = (float(end) for end in np.minimum(ends, 1.0))
        found[name] = {"value": value, "low": low, "high": high, "draws": len(spread), "shuffled": base[name]}
    return found


def _by_information(labels: Sequence[NDArray[np.int64]], bins: NDArray[np.int64], rows: Rows) -> Scored:
    """Bins stay those of all images, and a row that was drawn twice counts twice."""
    weights = np.bincount(rows, minlength=len(bins)).astype(np.float64)
    information = mutual_information(bins, labels, weights)
    entropies = np.array([entropy(label, weights) for label in labels])
    several = bins.shape[1] > 1 and bool(np.all(entropies > 0))
    return {
        "mig": float(np.mean(mig_gaps(information, entropies))) if several else None,
        "modularity": float(np.mean(modularity_scores(information))) if len(labels) > 1 else None,
    }


def _by_correlation(numbers: Mapping[str, Factor], codes: NDArray[np.float32], rows: Rows) -> Scored:
    return {"sap": sap(codes[rows], {name: factor[rows] for name, factor in numbers.items()})}


def _by_trees(
    numbers: Mapping[str, Factor],
    identity: NDArray[np.int64],
    trained: NDArray[np.bool_],
    codes: NDArray[np.float32],
    rows: Rows,
) -> Scored:
    sides = _sides(identity, trained, rows)
    found = None if sides is None else dci_scores(codes, numbers, *sides)
    return {name: None if found is None else getattr(found, name) for name in DCI}


def _by_votes(
    labels: Mapping[str, NDArray[np.int64]],
    identity: NDArray[np.int64],
    trained: NDArray[np.bool_],
    codes: NDArray[np.float32],
    rows: Rows,
) -> Scored:
    sides = _sides(identity, trained, rows)
    if sides is None:
        return {"factor_vae": None, "beta_vae": None}
    return {
        "factor_vae": factor_vae_score(codes, labels, *sides, np.random.default_rng(0)),
        "beta_vae": beta_vae_score(codes, labels, *sides, np.random.default_rng(0)),
    }


def _sides(identity: NDArray[np.int64], trained: NDArray[np.bool_], rows: Rows) -> tuple[Rows, Rows] | None:
    """Split `rows` into those to train on and those to test on; None unless each has two identities."""
    train, test = rows[trained[rows]], rows[~trained[rows]]
    if min(len(np.unique(identity[side])) for side in (train, test)) < 2:
        return None
    return train, test
