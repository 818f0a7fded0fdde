"""The 95 % intervals of what is measured on shards, by bootstrap.

Images of one mini-batch share all but one of their factors: in all but those of `intrinsic` also the identity. So the
mini-batch is what is drawn anew, and with it its identities. Images that others took show the same few identities in
many mini-batches; there the identity is what is drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dcign.engine.curves import FactorCurve, value_error
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.metrics import bootstrap
from dcign.evaluation.metrics.angles import circular_r2
from dcign.evaluation.metrics.bootstrap import Estimate
from dcign.evaluation.metrics.categories import CategoryReads
from render.shards.labels import Label

Units = NDArray[np.integer]  # (M,) what each image is drawn anew with


def intervals(
    encoding: Encoding,
    own: Mapping[str, NDArray[np.floating]],
    curves: Mapping[str, FactorCurve],
    mean_image_mse: float | None,
    inactive: Mapping[str, NDArray[np.int64]],
    labels: Mapping[str, Label],
    reads: Mapping[str, CategoryReads],
    by_identity: bool,
) -> dict[str, Any]:
    """Estimate the reconstruction, how each factor's latents `own` follow it, and how still the others hold.

    own          factor -> (M,) or (M, W)
    inactive     factor -> the latents that it must not move
    reads        factor of categories -> how its latents were read
    by_identity  draws identities anew, not mini-batches
    """
    units = encoding.identity if by_identity else encoding.minibatch
    mse = bootstrap.mean(encoding.errors, units)
    numbers = {name: values for name, values in encoding.values.items() if not labels[name].categories}
    single = {name: latent for name, latent in own.items() if latent.ndim == 1 and name in numbers}
    errors = {  # of values read back, in their labels' units
        name: value_error(curve.to_value(own[name]), encoding.values[name], labels[name])
        for name, curve in curves.items()
        if curve.invertible and name in numbers
    }
    found = {
        "mse": mse,
        "ratio": bootstrap.scaled(mse, 1 / mean_image_mse if mean_image_mse else None),
        "spearman": {
            latent: {factor: _correlation(values, true, units) for factor, true in numbers.items()}
            for latent, values in single.items()
        },
        "circular_r2": {
            name: _circular(values, encoding.values[name], units, labels[name].period)
            for name, values in single.items()
            if name in curves and curves[name].circular
        },
        "read_back_degrees": {name: bootstrap.root(bootstrap.mean(error**2, units)) for name, error in errors.items()},
        "read_back_median": {name: _median(np.abs(error), units) for name, error in errors.items()},
        "invariance": {
            name: _invariance(latents, name, encoding, by_identity and name in labels)
            for name, latents in inactive.items()
        },
    }
    return found | ({"categories": {name: _right(read, units) for name, read in reads.items()}} if reads else {})


def _correlation(latent: NDArray[np.floating], true: NDArray[np.floating], units: Units) -> Estimate:
    """|Spearman| of `latent` (M,) with `true` values (M,)."""

    def statistic(rows: NDArray[np.int64]) -> float | None:
        a, b = rankdata(latent[rows]), rankdata(true[rows])
        return None if np.ptp(a) == 0 or np.ptp(b) == 0 else abs(float(np.corrcoef(a, b)[0, 1]))

    return bootstrap.estimate(statistic, units)


def _circular(latent: NDArray[np.floating], true: NDArray[np.floating], units: Units, turn: float) -> Estimate:
    return bootstrap.estimate(lambda rows: circular_r2(latent[rows], true[rows], turn), units)


def _median(values: NDArray[np.floating], units: Units) -> Estimate:
    return bootstrap.estimate(lambda rows: float(np.median(values[rows])), units)


def _invariance(latents: NDArray[np.int64], factor: str, encoding: Encoding, by_identity: bool) -> Estimate:
    """Variance of the inactive `latents` within mini-batches of `factor`, over that in the whole set."""
    chosen = np.flatnonzero(encoding.kinds == factor)
    total = encoding.codes[:, latents].astype(np.float64).var(axis=0, ddof=1).mean() if len(latents) else 0.0
    numbers, firsts = np.unique(encoding.minibatch[chosen], return_index=True)
    members = [encoding.codes[chosen[encoding.minibatch[chosen] == number]][:, latents] for number in numbers]
    if total == 0 or any(len(rows) < 2 for rows in members):
        return Estimate(value=None, low=None, high=None)
    within = np.array([rows.astype(np.float64).var(axis=0, ddof=1).mean() for rows in members])
    units = encoding.identity[chosen[firsts]] if by_identity else numbers
    return bootstrap.scaled(bootstrap.mean(within, units), 1 / float(total))


def _right(read: CategoryReads, units: Units) -> dict[str, Estimate]:
    """Share of the images whose category was read right, by each way of reading."""
    return {name: bootstrap.mean(right.astype(np.float64), units) for name, right in read.right.items()}
