"""The views that an evaluation draws, by pure functions: the same data set gives the same views.

Letters in shapes: P identities, V views of each, O objects, S angles.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from assets.catalog import Catalog, Objects
from assets.chairs.catalog import ChairCatalog
from assets.faces.catalog import IDENTITY
from render.errors import BadInput
from render.factors import generator
from render.jobs.views import Views
from render.minibatch import Sampling

# The side that shows most, in degrees. A chair seen from straight ahead hides its depth.
FRONT = {"face": 0.0, "chair": 30.0}


def probe_views(
    catalog: Catalog, sampling: Sampling, seed: int, split: str, objects: int = 100, views: int = 20
) -> Views:
    """Choose P * V views, one identity after another: `objects` of `split`, each with all of its factors at random.

    The first few are as good a sample as all. P is smaller where there are fewer chairs. BadInput for fewer than 2.
    """
    chosen = _individuals(catalog, split, objects, "probes", seed)
    place = np.repeat(np.arange(len(chosen.identity)), views)
    coefficients = None if chosen.coefficients is None else chosen.coefficients[place]
    return Views(chosen.identity[place], coefficients, _values(sampling, len(place), "probes", seed, split))


def gallery_views(catalog: Catalog, sampling: Sampling, probes: Views) -> Views:
    """Choose (P,) one view of each identity of `probes`: neutral, from in front and lit so, or as near as can be."""
    _, firsts = np.unique(probes.identity, return_index=True)
    one_each = probes.rows(np.sort(firsts))
    coefficients = one_each.coefficients
    if coefficients is not None:
        kept = sum(count for part, count in catalog.parts.items() if part in IDENTITY)  # which come first
        coefficients = np.where(np.arange(coefficients.shape[1]) < kept, coefficients, np.float32(0))
    values = {
        name: np.full(len(one_each), _frontal(catalog.object, name, sampling), np.float32) for name in probes.values
    }
    return Views(one_each.identity, coefficients, values)


def sweep_views(inputs: Views, factor: str, angles: NDArray[np.float64]) -> Views:
    """Set `factor` of each of O `inputs` to all S `angles`, nothing else: O * S views, one input after another."""
    repeated = inputs.rows(np.repeat(np.arange(len(inputs)), len(angles)))
    swept = np.tile(angles, len(inputs)).astype(np.float32)
    return Views(repeated.identity, repeated.coefficients, {**repeated.values, factor: swept})


def sweep_angles(limits: tuple[float, float]) -> NDArray[np.float64]:
    """Spread (S,) degrees over a range: 12 around a full circle, else 9 from end to end, or 7 where it is narrow."""
    low, high = limits
    if high - low >= 360.0:
        return np.linspace(low, low + 360.0, 12, endpoint=False)
    return np.linspace(low, high, 9 if high - low >= 120.0 else 7)


def simulation_views(catalog: Catalog, sampling: Sampling, seed: int, count: int = 5000) -> Views:
    """Choose `count` views, each of another identity of the train split, each factor at random as in training.

    Chairs come in random order, each as often as any other and its views one after another: reading one takes longer
    than drawing it.
    """
    chosen = _individuals(catalog, "train", count, "simulations", seed, again=True)
    values = _values(sampling, count, "simulations", seed, "train")
    return Views(chosen.identity, chosen.coefficients, values)


def _individuals(catalog: Catalog, split: str, count: int, purpose: str, seed: int, again: bool = False) -> Objects:
    """Choose `count` objects of `split`; all chairs if there are fewer, or each several times where `again`."""
    if isinstance(catalog, ChairCatalog):
        found = len(catalog.splits[split])
    else:
        found = count if catalog.varies(IDENTITY) else 1
    if found < 2:
        raise BadInput(f"{catalog.name}: expected at least 2 identities for {split}, found {found}")
    if isinstance(catalog, ChairCatalog):
        shown = min(count, found)
        models = np.sort(np.array(catalog.splits[split], np.int64))  # by name, and so by family: some of each
        models = generator(seed, split, purpose, 0, "identity").permutation(models[np.arange(shown) * found // shown])
        return Objects(models[np.arange(count) * shown // count] if again else models)
    # Each alone, as one image shows it: those of one mini-batch may lie on a way from one to another
    each = [catalog.choose(split, i, (), 1, partial(generator, seed, split, purpose, i)) for i in range(count)]
    coefficients = [one.coefficients for one in each if one.coefficients is not None]
    return Objects(
        np.concatenate([one.identity for one in each]), np.concatenate(coefficients) if coefficients else None
    )


def _values(sampling: Sampling, count: int, purpose: str, seed: int, split: str) -> dict[str, NDArray[np.float32]]:
    """Draw factor -> (count,) values, each by itself."""
    return {name: sampling.draw(name, count, generator(seed, split, purpose, 0, name)) for name in sampling.ranges}


def _frontal(kind: str, name: str, sampling: Sampling) -> float:
    """Return the value of one factor in the picture that shows an object best, of those that can be drawn."""
    low, high = sampling.limits(name)
    middle = (low + high) / 2
    if name == "azimuth":
        turns = [FRONT[kind] + turn for turn in (0.0, -360.0, 360.0)]
        wanted = next((angle for angle in turns if low <= angle <= high), middle)
    elif name == "light" or (name == "elevation" and kind == "face"):
        wanted = min(max(0.0, low), high)
    else:
        wanted = middle
    return min(sampling.views.get(name, (wanted,)), key=lambda value: abs(value - wanted))
