"""95 % intervals of what `dcign.evaluation.measures` measures on shards, by bootstrap over mini-batches.

Images of one mini-batch share all but one of their factors: in all but those of `intrinsic` also the identity. So the
mini-batch is what is drawn anew, and with it its identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dcign.engine.curves import Curve, GroupCurve, angle_error
from dcign.evaluation.encoding import Encoding
from dcign.metrics import bootstrap, circular
from dcign.metrics.bootstrap import Estimate


def intervals(
    encoding: Encoding,
    own: Mapping[str, NDArray[np.floating]],
    curves: Mapping[str, Curve | GroupCurve],
    mean_image_mse: float | None,
    inactive: Mapping[str, NDArray[np.int64]],
) -> dict[str, Any]:
    """Estimates of the reconstruction, of how each angle's latents `own` follow it, and of how still others hold.

    `own` factor -> (M,) or (M, W), `inactive` factor -> the latents that it must not move.
    """
    mse = bootstrap.mean(encoding.errors, encoding.minibatch)
    single = {name: latent for name, latent in own.items() if latent.ndim == 1}
    return {
        "mse": mse,
        "ratio": _scaled(mse, 1 / mean_image_mse if mean_image_mse else None),
        "spearman": {
            latent: {
                factor: _correlation(values, degrees, encoding.minibatch)
                for factor, degrees in encoding.degrees.items()
            }
            for latent, values in single.items()
        },
        "circular_r2": {
            name: _circular(values, encoding.degrees[name], encoding.minibatch)
            for name, values in single.items()
            if name in curves and curves[name].circular
        },
        "read_back_degrees": {
            name: _read_back(curve, own[name], encoding.degrees[name], encoding.minibatch)
            for name, curve in curves.items()
            if curve.invertible
        },
        "invariance": {name: _invariance(latents, name, encoding) for name, latents in inactive.items()},
    }


def _correlation(
    latent: NDArray[np.floating], degrees: NDArray[np.floating], minibatch: NDArray[np.integer]
) -> Estimate:
    """|Spearman| of `latent` (M,) with `degrees` (M,)."""

    def statistic(rows: NDArray[np.int64]) -> float | None:
        a, b = rankdata(latent[rows]), rankdata(degrees[rows])
        return None if np.ptp(a) == 0 or np.ptp(b) == 0 else abs(float(np.corrcoef(a, b)[0, 1]))

    return bootstrap.estimate(statistic, minibatch)


def _circular(latent: NDArray[np.floating], degrees: NDArray[np.floating], minibatch: NDArray[np.integer]) -> Estimate:
    return bootstrap.estimate(lambda rows: circular.compute(latent[rows], degrees[rows]), minibatch)


def _read_back(
    curve: Curve | GroupCurve,
    own: NDArray[np.floating],
    degrees: NDArray[np.floating],
    minibatch: NDArray[np.integer],
) -> Estimate:
    """Root mean square error, in degrees, of the angle read from its latents, over all images alike."""
    squared = bootstrap.mean(
        angle_error(curve.to_degrees(own), degrees.astype(np.float64), curve.circular) ** 2, minibatch
    )
    return Estimate(value=_root(squared["value"]), low=_root(squared["low"]), high=_root(squared["high"]))


def _invariance(latents: NDArray[np.int64], factor: str, encoding: Encoding) -> Estimate:
    """Variance of the inactive `latents` within mini-batches of `factor`, over that in the whole set."""
    chosen = np.flatnonzero(encoding.kinds == factor)
    total = encoding.codes[:, latents].astype(np.float64).var(axis=0, ddof=1).mean() if len(latents) else 0.0
    labels = np.unique(encoding.minibatch[chosen])
    members = [encoding.codes[chosen[encoding.minibatch[chosen] == label]][:, latents] for label in labels]
    if total == 0 or any(len(rows) < 2 for rows in members):
        return Estimate(value=None, low=None, high=None)
    within = np.array([rows.astype(np.float64).var(axis=0, ddof=1).mean() for rows in members])
    return _scaled(bootstrap.mean(within, labels), 1 / float(total))


def _scaled(estimate: Estimate, by: float | None) -> Estimate:
    if by is None:
        return Estimate(value=None, low=None, high=None)
    numbers = (estimate["value"], estimate["low"], estimate["high"])
    value, low, high = (None if number is None else number * by for number in numbers)
    return Estimate(value=value, low=low, high=high)


def _root(number: float | None) -> float | None:
    return None if number is None else float(np.sqrt(number))
