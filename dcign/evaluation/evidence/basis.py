"""The basis of evidence where nothing could be drawn: the images of the shards, with the labels they happen to have.

Drawn images vary in everything at once and independently. Those of shards vary one factor at a time, so that their
labels depend on each other: a latent that follows one label seems to know another. The report says how far.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from dcign.evaluation.evidence.types import Coded
from dcign.evaluation.metrics.disentanglement import classes, entropy
from dcign.evaluation.metrics.true_factors import true_factor
from render.shards.labels import Label

FROM_SHARDS = "shards"


def basis_of(probes: Coded, minibatches: int, labels: Mapping[str, Label]) -> dict[str, Any]:
    """Say for report.json what is measured on `probes`, images out of so many mini-batches.

    `dependence` names the two labels that tell most of each other, and their mutual information as a share of the
    lesser of their entropies, less what as many unrelated images would seem to share; None with fewer than two labels.
    """
    return {
        "from": FROM_SHARDS,
        "images": len(probes.identity),
        "identities": len(np.unique(probes.identity)),
        "minibatches": minibatches,
        "dependence": _dependence(probes, labels),
    }


def _dependence(probes: Coded, labels: Mapping[str, Label]) -> dict[str, Any] | None:
    known = {name: classes(true_factor(values, labels[name])) for name, values in probes.values.items()}
    moving = {name: label for name, label in known.items() if label.max(initial=0) > 0}
    found = []
    for a, b in combinations(moving, 2):
        counts = int(moving[a].max()) + 1, int(moving[b].max()) + 1
        own = entropy(moving[a]), entropy(moving[b])
        joint = entropy(np.unique(moving[a] * counts[1] + moving[b], return_inverse=True)[1])
        chance = (counts[0] - 1) * (counts[1] - 1) / (2 * len(probes.identity))  # Miller (1955)
        found.append((max(0.0, sum(own) - joint - chance) / min(own), (a, b)))
    if not found:
        return None
    share, pair = max(found, key=lambda each: each[0])
    return {"factors": list(pair), "share": min(1.0, share)}


def of(measures: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what evidence rests on, if it was not drawn."""
    found = measures.get("basis")
    return found if isinstance(found, Mapping) else None


def told(text: str, measures: Mapping[str, Any]) -> str:
    """Add a paragraph to the text of a section that is measured on images of the shards."""
    found = of(measures)
    if found is None:
        return text
    line = (
        f"Nothing was drawn for this: it is measured on {found['images']:,} different images of the shards, of "
        f"{found['identities']:,} identities out of {found['minibatches']:,} mini-batches"
    )
    if found["dependence"] is None:
        return f"{text}\n\n{line}."
    first, second = found["dependence"]["factors"]
    return (
        f"{text}\n\n{line}, with whatever combinations of labels they have. Labels depend on each other there ({first} "
        f"and {second} share {found['dependence']['share']:.0%} of their information), so what seems to know one of "
        "them may know another instead."
    )


def told_of_minibatches(text: str, measures: Mapping[str, Any]) -> str:
    """Add a paragraph to the text of a section that is measured on mini-batches of the shards."""
    if of(measures) is None:
        return text
    return f"{text}\n\nNothing was drawn for this: the images are those of mini-batches of the shards."
