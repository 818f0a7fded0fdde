"""Recognition: is the most similar image of a gallery one of the same object, and do same and other separate?

`similarity` (P, G) of P probes with the G images of a gallery, one of each object; more is more alike. Which object
each shows: `probe_identity` (P,), `gallery_identity` (G,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DECIMALS = 12  # of a similarity: what is equal must tie, in whatever order a product was summed


def cosine(probes: NDArray[np.floating], gallery: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine similarity (P, G) of `probes` (P, D) with `gallery` (G, D), to 12 decimals; 0 with a vector of zeros."""
    return np.round(_unit(probes) @ _unit(gallery).T, DECIMALS)


def own_column(probe_identity: NDArray[np.integer], gallery_identity: NDArray[np.integer]) -> NDArray[np.int64]:
    """Find each probe's object in the gallery: its column (P,). ValueError if it is not there, or there twice."""
    order = np.argsort(gallery_identity, kind="stable")
    known = gallery_identity[order]
    if len(known) == 0 or np.any(known[1:] == known[:-1]):
        raise ValueError("a gallery needs one image of each of its objects")
    place = np.minimum(np.searchsorted(known, probe_identity), len(known) - 1)
    if np.any(known[place] != probe_identity):
        raise ValueError("a probe shows an object that is not in the gallery")
    return order[place]


def hits(similarity: NDArray[np.floating], own: NDArray[np.integer], rank: int) -> NDArray[np.float64]:
    """Chance (P,) that each probe's object, in column `own` (P,), is among the `rank` most similar of the gallery.

    0 or 1, but where others are exactly as similar: then ties are drawn in any order, so that a constant code gets what
    guessing gets. Its mean is the rank-`rank` recognition rate.
    """
    true = similarity[np.arange(len(similarity)), own][:, None]
    nearer, tied = (similarity > true).sum(axis=1), (similarity == true).sum(axis=1)  # tied with itself at least
    return np.clip((rank - nearer) / tied, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Receiver:
    """Counts from which the receiver operating characteristic follows for any set of probe identities.

    accepted_same, accepted_other  (I, T) pairs of each identity's probes that pass, from the strictest threshold on
    same, other                    (I,) all such pairs
    """

    accepted_same: NDArray[np.float64]
    accepted_other: NDArray[np.float64]
    same: NDArray[np.float64]
    other: NDArray[np.float64]

    def curve(self, weight: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False and true positive rates (T + 2,), each rising from 0 to 1, of identities weighted by `weight` (I,)."""
        false = weight @ self.accepted_other / (weight @ self.other)
        true = weight @ self.accepted_same / (weight @ self.same)
        return np.concatenate([[0.0], false, [1.0]]), np.concatenate([[0.0], true, [1.0]])


def receiver(
    similarity: NDArray[np.floating], own: NDArray[np.integer], probe_identity: NDArray[np.integer]
) -> Receiver:
    """Tell same from different among all P x G pairs: a pair is the same object in column `own` (P,) of its row.

    Identities are in the order of np.unique. The curve has its corners at the similarities of same pairs: one point
    just above each, one at it. ValueError with a gallery of one object, for which there are no other pairs.
    """
    if similarity.shape[1] < 2:
        raise ValueError("verification needs two objects in the gallery")
    names, label = np.unique(probe_identity, return_inverse=True)
    mask = np.ones(similarity.shape, bool)
    mask[np.arange(len(own)), own] = False
    true = similarity[~mask]  # (P,), one a row
    corners = np.unique(true)
    same = np.zeros((len(names), 2 * len(corners)))
    other = np.zeros_like(same)
    sizes = np.zeros((2, len(names)))
    for number in range(len(names)):
        rows = label == number
        for counts, values in ((same, true[rows]), (other, similarity[rows][mask[rows]])):
            ordered = np.sort(values)
            above = len(ordered) - np.searchsorted(ordered, corners, side="right")
            from_it = len(ordered) - np.searchsorted(ordered, corners, side="left")
            counts[number] = np.stack([above, from_it], axis=1)[::-1].reshape(-1)
        sizes[:, number] = rows.sum(), rows.sum() * (similarity.shape[1] - 1)
    return Receiver(same, other, sizes[0], sizes[1])


def equal_error_rate(false: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Error rate where the curve `true` over `false` (T,), from (0, 0) to (1, 1), meets true = 1 - false.

    There as many others are taken for the same as the same for others. In [0, 1]: 0 is perfect, 1/2 is guessing.
    """
    balance = false + true - 1.0  # rises from -1 to 1
    after = int(np.argmax(balance >= 0))
    before = after - 1
    share = -balance[before] / (balance[after] - balance[before])
    return float(false[before] + share * (false[after] - false[before]))


def true_positive_rates(
    false: NDArray[np.floating], true: NDArray[np.floating], at: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Read the curve `true` over `false` (T,) at the false positive rates `at` (N,), ascending, in (0, 1]: (N,)."""
    before = np.minimum(np.searchsorted(false, at, side="right") - 1, len(false) - 2)  # of points in line the highest
    share = (at - false[before]) / np.maximum(false[before + 1] - false[before], np.finfo(float).tiny)
    return true[before] + np.clip(share, 0.0, 1.0) * (true[before + 1] - true[before])


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = vectors.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
