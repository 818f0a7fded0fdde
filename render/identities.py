"""Who is in a data set: a number for each identity that stands for it in any other data set too."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.shards import DataSet


def identity_keys(data: DataSet) -> dict[int, int]:
    """Identity -> key of all that `data` shows; keys are equal in two data sets for the same person or model.

    A chair is known by the content of its file, wherever that lies, a face by its number and the face model.
    """
    found = {int(identity) for minibatch in data.minibatches() for identity in np.unique(minibatch.identity)}
    models = data.manifest.settings["assets"].get("models", {})
    if data.object != "chair":
        person = _hash(*(sha256 for _, sha256 in sorted(models.items())))
        return {identity: (identity * 0x9E3779B97F4A7C15 + person) % 2**64 for identity in sorted(found)}
    chairs: list[Any] = list(models.values())
    unlisted = data.manifest.settings["assets"].get("name")
    return {
        identity: _hash(chairs[identity]) if 0 <= identity < len(chairs) else _hash(unlisted, identity)
        for identity in sorted(found)
    }


def key_array(keys: dict[int, int]) -> NDArray[np.uint64]:
    """The keys, sorted and each once, (n,)."""
    return np.unique(np.array(list(keys.values()), np.uint64))


def _hash(*texts: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, texts)).encode()).digest()[:8], "little")
