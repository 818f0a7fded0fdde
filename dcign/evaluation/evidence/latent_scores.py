"""Scores of disentanglement with intervals over identities, each beside what shuffled codes score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.dci import Scores as Trees
from dcign.evaluation.metrics.dci import dci_scores, split
from dcign.evaluation.metrics.disentanglement import (
    Factor,
    entropy,
    is_discrete,
    latent_bins,
    mig_gaps,
    modularity_scores,
    mutual_information,
    sap,
)
from dcign.evaluation.metrics.vae_scores import beta_vae_score, factor_vae_score

FEWEST_IDENTITIES = 10  # to train on some and test on others
DRAWS, FEW_DRAWS = 100, 15  # of identities, for the intervals of what is cheap, and of what is fitted anew each time
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
    trees: Trees | None,
) -> dict[str, dict[str, Any]]:
    """Score `codes` (M, Z) of `identity` (M,), by `NAMES`: an Estimate, how many `draws` its interval is from, and the
    score of `shuffled` codes, which belong to other images.

    `labels` classes (M,) for MIG, modularity, FactorVAE and beta-VAE; `numbers` what SAP and DCI predict. None where
    there are fewer than two factors, or than `FEWEST_IDENTITIES` for those that train on some and test on others.
    `trees` as `fit_trees` gives them.

    Classes are predicted by machines that are slow to fit: with one among `numbers`, SAP has few draws and DCI none.
    """
    bins = latent_bins(codes)
    mixed = np.random.default_rng(0).permutation(len(bins))
    shuffled = codes[mixed]
    by_information, by_correlation = partial(_by_information, list(labels.values())), partial(_by_correlation, numbers)
    found = {name: nothing() for name in NAMES}
    found |= _with_intervals(partial(by_information, bins), partial(by_information, bins[mixed]), identity, DRAWS)
    slow = any(map(is_discrete, numbers.values()))
    draws = FEW_DRAWS if slow else DRAWS
    found |= _with_intervals(partial(by_correlation, codes), partial(by_correlation, shuffled), identity, draws)
    if len(np.unique(identity)) >= FEWEST_IDENTITIES:
        trained = np.zeros(len(bins), dtype=bool)
        trained[split(identity)[0]] = True
        of_trees = partial(_by_trees, numbers, identity, trained)
        of_votes = partial(_by_votes, labels, identity, trained)
        draws = 0 if slow else FEW_DRAWS
        known = _of_trees(trees)
        found |= _with_intervals(partial(of_trees, codes), partial(of_trees, shuffled), identity, draws, known)
        found |= _with_intervals(partial(of_votes, codes), partial(of_votes, shuffled), identity, FEW_DRAWS)
    return found


def fit_trees(codes: NDArray[np.float32], identity: NDArray[np.int64], numbers: Mapping[str, Factor]) -> Trees | None:
    """Fit the trees of DCI to some identities and test them on the others; None where that cannot be done."""
    if len(np.unique(identity)) < FEWEST_IDENTITIES:
        return None
    return dci_scores(codes, numbers, *split(identity))


def nothing() -> dict[str, Any]:
    """The entry of a score that cannot be had."""
    return {"value": None, "low": None, "high": None, "draws": 0, "shuffled": None}


def _with_intervals(
    score: Score, shuffled: Score, identity: NDArray[np.int64], draws: int, known: Scored | None = None
) -> dict[str, Any]:
    """Return every value of `score` on all rows, with its interval: percentiles of its draws, less their bias.

    `known` are these values, where they have been computed already.

    Fewer different identities look like more knowledge, so these scores are off in every draw, most of all for noise:
    the draws are moved until their mean lies on the value. Efron and Tibshirani (1993), chapter 10.
    """
    everything = np.arange(len(identity))
    values, base = known or score(everything), shuffled(everything)
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
    return _of_trees(None if sides is None else dci_scores(codes, numbers, *sides))


def _of_trees(trees: Trees | None) -> Scored:
    return {name: None if trees is None else getattr(trees, name) for name in DCI}


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
