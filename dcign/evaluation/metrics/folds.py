"""Does a single latent follow its angle, or has it folded? From codes and true angles to a verdict in words.

A mini-batch that varies one angle holds the others still, so nothing in it says which way round its latent must run.
Seen from the side a nod is a turn in the picture, clockwise for heads turned one way and counter-clockwise for those
turned the other, and a latent may learn just that turn: it then orders the images of every mini-batch and yet means
opposite things in the two halves of the data. |Spearman| over all images shows only that something is wrong; the rank
correlations inside the mini-batches show what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from render.shards.labels import DEGREES, Label

FOUND = 0.5  # mean |rank correlation| inside mini-batches from which a latent counts as found
AGAINST = 0.1  # share of mini-batches that run the other way from which a latent counts as folded
FOLLOWS = 0.8  # |Spearman| over all images from which a latent counts as following its angle
FEWEST = 4  # mini-batches below which nothing is said


@dataclass(frozen=True)
class Course:
    """Direction of one angle's latent against that angle, inside mini-batches in which only it varies.

    state        'follows', 'folded', 'not found', or 'shifted': right inside each mini-batch, but not between them
    inside       mean |rank correlation| inside a mini-batch, 0 to 1
    against      share of the mini-batches in which it runs the other way than in most, weighted by their correlation
    minibatches  how many there are
    where        the other angle that tells the two ways apart, with its mean in degrees where the latent runs as in
                 most mini-batches and where it runs against them; None unless it is folded and one does
    """

    state: str
    inside: float
    against: float
    minibatches: int
    where: tuple[str, float, float] | None = None


def course(
    latent: NDArray[np.floating],
    angle: NDArray[np.floating],
    minibatch: NDArray[np.integer],
    others: Mapping[str, NDArray[np.floating]],
    overall: float | None,
) -> Course | None:
    """Judge the latent of an angle by the mini-batches in which only that angle varies.

    latent     (M,) of the images of those mini-batches alone, as are the other arrays
    angle      (M,) degrees
    minibatch  (M,) which one each image is from
    others     name -> (M,) degrees of the angles that hold still inside them
    overall    |Spearman| of the latent with the angle over all images; None where unknown

    Returns None for fewer than FEWEST mini-batches: a few agree by chance.
    """
    members = [np.flatnonzero(minibatch == label) for label in np.unique(minibatch)]
    members = [rows for rows in members if np.ptp(angle[rows]) > 0]
    if len(members) < FEWEST:
        return None
    straight = np.array([_rank_correlation(latent[rows], angle[rows]) for rows in members])
    middle = float(np.median(angle))
    bent = np.array([_rank_correlation(latent[rows], np.abs(angle[rows] - middle)) for rows in members])
    inside, around = float(np.abs(straight).mean()), float(np.abs(bent).mean())
    against = (inside - abs(float(straight.mean()))) / (2 * inside) if inside > 0 else 0.0
    if inside < FOUND:
        state = "folded" if around > max(FOUND, inside) else "not found"
    elif against > AGAINST:
        state = "folded"
    else:
        state = "shifted" if overall is not None and overall < FOLLOWS else "follows"
    majority = straight * np.sign(straight.sum()) >= 0
    where = None
    if state == "folded" and inside >= FOUND:
        where = _told_apart(
            {name: np.array([values[rows].mean() for rows in members]) for name, values in others.items()}, majority
        )
    return Course(state, inside, against, len(members), where)


def courses_of(
    latents: Mapping[str, NDArray[np.floating]],
    angles: Mapping[str, NDArray[np.floating]],
    minibatch: NDArray[np.integer],
    kinds: NDArray[np.str_],
    overall: Mapping[str, float | None],
) -> dict[str, Course]:
    """Judge each latent by the mini-batches of its angle, for the angles that have enough of them.

    latents, angles  name -> (M,) of all images
    minibatch, kinds (M,) which mini-batch each image is from, and the factor that varies in it
    overall          name -> |Spearman| over all images
    """
    found = {}
    for name, latent in latents.items():
        rows = kinds == name
        others = {other: values[rows] for other, values in angles.items() if other != name}
        judged = course(latent[rows], angles[name][rows], minibatch[rows], others, overall.get(name))
        if judged is not None:
            found[name] = judged
    return found


def words(name: str, found: Course, labels: Mapping[str, Label]) -> str | None:
    """Say in a sentence or two what is wrong with the latent of the factor `name`; None where it follows it."""
    others = "angles" if all(label.unit == DEGREES for label in labels.values()) else "factors"
    if found.state == "not found":
        return (
            f"z_{name} has not been found: inside mini-batches of {name} its rank correlation with it is "
            f"{found.inside:.2f}, so moving it does not change the {name}."
        )
    if found.state == "shifted":
        return (
            f"z_{name} is shifted: it orders the images of one mini-batch by {name} (rank correlation "
            f"{found.inside:.2f}), but what it reads also depends on the other {others} or on who it is."
        )
    if found.state == "folded" and found.inside < FOUND:
        return f"z_{name} is folded: it takes each of its values twice, once on either side of the middle {name}."
    if found.state == "folded":
        line = (
            f"z_{name} is folded: in {found.against:.0%} of the mini-batches of {name} it runs the other way, so one "
            f"setting of it means opposite things in different images"
        )
        if found.where is not None:
            other, most, few = found.where
            usual, rare = f"{most:.0f} degrees", f"{few:.0f}"
            if other in labels and labels[other].unit != DEGREES:
                usual, rare = labels[other].text(most), labels[other].text(few)
            line += f" (it turns round with the {other}: about {usual} in most, {rare} in the others)"
        return f"{line}."
    return None


def _rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite(a).all():
        return 0.0
    return float(stats.spearmanr(a, b).statistic)


def _told_apart(
    others: Mapping[str, NDArray[np.floating]], majority: NDArray[np.bool_]
) -> tuple[str, float, float] | None:
    """Return the angle that orders the mini-batches best by the way they run, with its two means; None if none does."""
    best = None
    for name, values in others.items():
        strength = abs(_rank_correlation(values, majority.astype(float)))
        if strength > 0.5 and (best is None or strength > best[0]):
            best = strength, (name, float(values[majority].mean()), float(values[~majority].mean()))
    return best and best[1]
