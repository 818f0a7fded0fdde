"""MIG, SAP, modularity, DCI, FactorVAE and beta-VAE scores, with intervals over identities and a base line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.metrics import beta_vae, bootstrap, dci, factor_vae, mig, modularity, mutual_information, sap
from dcign.metrics.true_factors import Factor

FEWEST_IDENTITIES = 10  # to train on some and test on others
DRAWS = 100  # of identities, for the intervals of what is cheap
FEW_DRAWS = 15  # of what is fitted anew each time
DCI = ("disentanglement", "completeness", "informativeness")
NAMES = ("mig", "sap", "modularity", *DCI, "factor_vae", "beta_vae")

Rows = NDArray[np.int64]
Scored = Mapping[str, float | None]
Score = Callable[[Rows], Scored]


def scores(
    codes: NDArray[np.float32],
    identity: NDArray[np.int64],
    labels: Mapping[str, NDArray[np.int64]],
    numbers: Mapping[str, Factor],
) -> dict[str, dict[str, Any]]:
    """Of `codes` (M, Z) of `identity` (M,), by `NAMES`: an Estimate, how many `draws` its interval is from, and what
    `shuffled` codes score, which belong to other images.

    `labels` classes (M,) for MIG, modularity, FactorVAE and beta-VAE; `numbers` what SAP and DCI predict. None where
    there are fewer than two factors, or than `FEWEST_IDENTITIES` for those that train on some and test on others.
    """
    bins = mutual_information.latent_bins(codes)
    mixed = np.random.default_rng(0).permutation(len(bins))
    shuffled = codes[mixed]
    by_information, by_correlation = partial(_by_information, list(labels.values())), partial(_by_correlation, numbers)
    found = {name: nothing() for name in NAMES}
    found |= _with_intervals(partial(by_information, bins), partial(by_information, bins[mixed]), identity, DRAWS)
    found |= _with_intervals(partial(by_correlation, codes), partial(by_correlation, shuffled), identity, DRAWS)
    if len(np.unique(identity)) >= FEWEST_IDENTITIES:
        trained = np.zeros(len(bins), dtype=bool)
        trained[dci.split(identity)[0]] = True
        for score in (partial(_by_trees, numbers), partial(_by_votes, labels)):
            on_sides = partial(score, identity, trained)
            found |= _with_intervals(partial(on_sides, codes), partial(on_sides, shuffled), identity, FEW_DRAWS)
    return found


def nothing() -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "draws": 0, "shuffled": None}


def _with_intervals(score: Score, shuffled: Score, identity: NDArray[np.int64], draws: int) -> dict[str, Any]:
    """Every value of `score` on all rows, with its interval: percentiles of its draws, less their bias.

    Fewer different identities look like more knowledge, so these scores are off in every draw, most of all for noise:
    the draws are moved until their mean lies on the value. Efron and Tibshirani (1993), chapter 10.
    """
    everything = np.arange(len(identity))
    values, base = score(everything), shuffled(everything)
    enough = len(np.unique(identity)) >= bootstrap.FEWEST
    drawn = [score(rows) for rows in bootstrap.resamples(identity, draws if enough else 0)]
    found = {}
    for name, value in values.items():
        spread = np.array([given for draw in drawn if (given := draw[name]) is not None])
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
    information = mutual_information.compute(bins, labels, weights)
    entropies = np.array([mutual_information.entropy(label, weights) for label in labels])
    several = bins.shape[1] > 1 and bool(np.all(entropies > 0))
    return {
        "mig": float(np.mean(mig.gaps(information, entropies))) if several else None,
        "modularity": float(np.mean(modularity.scores(information))) if len(labels) > 1 else None,
    }


def _by_correlation(numbers: Mapping[str, Factor], codes: NDArray[np.float32], rows: Rows) -> Scored:
    return {"sap": sap.compute(codes[rows], {name: factor[rows] for name, factor in numbers.items()})}


def _by_trees(
    numbers: Mapping[str, Factor],
    identity: NDArray[np.int64],
    trained: NDArray[np.bool_],
    codes: NDArray[np.float32],
    rows: Rows,
) -> Scored:
    sides = _sides(identity, trained, rows)
    found = None if sides is None else dci.compute(codes, numbers, *sides)
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
        "factor_vae": factor_vae.compute(codes, labels, *sides, np.random.default_rng(0)),
        "beta_vae": beta_vae.compute(codes, labels, *sides, np.random.default_rng(0)),
    }


def _sides(identity: NDArray[np.int64], trained: NDArray[np.bool_], rows: Rows) -> tuple[Rows, Rows] | None:
    """Those of `rows` to train on and those to test on; None unless each has two identities."""
    train, test = rows[trained[rows]], rows[~trained[rows]]
    if min(len(np.unique(identity[side])) for side in (train, test)) < 2:
        return None
    return train, test
