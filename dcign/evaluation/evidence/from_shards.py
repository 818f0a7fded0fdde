"""Images for evidence out of the shards alone, where no renderer can draw others: probes, a gallery, sweeps.

Every image counts once, in however many mini-batches it stands. A mini-batch of a factor is a true sweep of it: one of
its images is the input, and the others show how it truly looks at other values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.engine.curves import value_error
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.evidence.basis import basis_of
from dcign.evaluation.evidence.types import Coded, Sweep
from dcign.model.code import AngleLatents
from render.errors import ShardError
from render.shards.data_set import DataSet, open_data_set
from render.shards.labels import Label

VIEWS = 20  # images of each identity, as many as are drawn; more where there are fewer identities
SWEPT = 60  # mini-batches of each factor, at even steps through the set
MOST_ASKED = 12  # images of a mini-batch that are asked for, at even steps through its values
MOST_OTHERS = 2000  # training images

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ShardImages:
    """Images of the shards, as evidence takes them.

    probes     distinct images of some identities, whatever labels they have
    gallery    of each of these identities the image nearest to `reference`
    sought     the probes that are not in the gallery
    inputs     one image of each mini-batch that is in a sweep
    sweeps     factor with latents of its own -> its mini-batches
    reference  label -> the value that gallery images are nearest to, all labels alike
    basis      what all this rests on, for report.json
    warnings   factors that have no sweep
    """

    probes: Coded
    gallery: Coded
    sought: Coded
    inputs: Coded
    sweeps: Mapping[str, Sweep]
    reference: Mapping[str, float]
    basis: Mapping[str, Any]
    warnings: list[str] = field(default_factory=list)


def take_images(data: DataSet, encoding: Encoding, angle_latents: AngleLatents, identities: int) -> ShardImages:
    """Take images of at most `identities` identities, `VIEWS` times as many, out of `data`, which `encoding` is of."""
    labels = {name: label for name, label in data.labels.items() if label.varies}
    rows = _choose(encoding, identities)
    reference = {name: _reference(encoding.values[name][rows], label) for name, label in labels.items()}
    nearest = _nearest(encoding, rows, reference, labels)
    kept = _share_out(rows, nearest, encoding.identity, identities * VIEWS)
    sweeps, inputs, warnings = _sweeps(data, encoding, angle_latents)
    probes = _coded(data, encoding, kept)
    return ShardImages(
        probes,
        _coded(data, encoding, nearest),
        probes.rows(np.flatnonzero(~np.isin(kept, nearest))),
        _coded(data, encoding, inputs),
        sweeps,
        reference,
        basis_of(probes, len(np.unique(encoding.minibatch[kept])), data.labels),
        warnings,
    )


def training_images(data: DataSet) -> NDArray[np.uint8] | None:
    """Read at most `MOST_OTHERS` images (n, H, W) of the train split beside `data`, at even steps; None without one."""
    if data.split == "train":
        return None
    try:
        others = open_data_set(data.folder, "train")
    except ShardError:
        return None
    every = others.batch_size * sum(others.count(factor) for factor in others.factors)
    return _read(others, np.unique(np.linspace(0, every - 1, min(every, MOST_OTHERS)).astype(np.int64)))


def _choose(encoding: Encoding, most: int) -> Rows:
    """Choose the different images of at most `most` identities, at random, of those with two images or more if any."""
    rows = encoding.different
    names, counts = np.unique(encoding.identity[rows], return_counts=True)
    usable = names[counts > 1] if np.any(counts > 1) else names
    chosen = np.random.default_rng(0).permutation(usable)[:most]
    return rows[np.isin(encoding.identity[rows], chosen)]


def _reference(values: NDArray[np.float32], label: Label) -> float:
    """Return the middle of the values, or the most frequent one of a circle or of categories."""
    if not (label.circular or label.categories):
        return float(np.median(values))
    known, counts = np.unique(values, return_counts=True)
    return float(known[np.argmax(counts)])


def _nearest(encoding: Encoding, rows: Rows, reference: Mapping[str, float], labels: Mapping[str, Label]) -> Rows:
    """Return one of `rows` for each identity: the nearest to `reference`, each label in units of its range."""
    away = np.zeros(len(rows))
    for name, label in labels.items():
        error = value_error(encoding.values[name][rows], np.full(len(rows), reference[name]), label)
        width = 1.0 if label.categories else label.period / 2 if label.circular else label.high - label.low
        away += np.abs(error) / width
    order = np.lexsort((rows, away, encoding.identity[rows]))
    return rows[order[np.unique(encoding.identity[rows][order], return_index=True)[1]]]


def _share_out(rows: Rows, always: Rows, identity: NDArray[np.int64], most: int) -> Rows:
    """Take about `most` of `rows`, as many of each identity, at random but for those that are `always` in."""
    names = np.unique(identity[rows])
    each = max(2, most // max(1, len(names)))
    rng = np.random.default_rng(1)
    kept = [always]
    for name in names:
        own = np.setdiff1d(rows[identity[rows] == name], always)
        kept.append(np.sort(rng.permutation(own)[: each - 1]))
    return np.sort(np.concatenate(kept))


def _sweeps(data: DataSet, encoding: Encoding, angle_latents: AngleLatents) -> tuple[dict[str, Sweep], Rows, list[str]]:
    """Return the sweeps of each factor with latents of its own, the rows of their inputs, and what has none."""
    sweeps: dict[str, Sweep] = {}
    inputs: list[int] = []
    warnings = []
    for name in angle_latents.groups:
        if name not in data.labels or not data.labels[name].varies:
            continue
        numbers = np.unique(encoding.minibatch[encoding.kinds == name])
        some = numbers[np.unique(np.linspace(0, len(numbers) - 1, SWEPT).round().astype(int))] if len(numbers) else []
        rng = np.random.default_rng(0)
        members = [_members(np.flatnonzero(encoding.minibatch == number), name, encoding, rng) for number in some]
        members = [found for found in members if len(found[0]) > 1]
        if not members:
            warnings.append(f"{name}: no mini-batch of two different images in which it alone varies.")
            continue
        sweeps[name] = _sweep(data, encoding, name, members, len(inputs))
        inputs += [int(rows[given]) for rows, given in members]
    return sweeps, np.array(inputs, np.int64), warnings


def _members(here: Rows, name: str, encoding: Encoding, rng: np.random.Generator) -> tuple[Rows, int]:
    """Return different images of the mini-batch `here` by ascending value, at most `MOST_ASKED` and the input, and the
    place of the input among them, which is any."""
    distinct = here[np.sort(np.unique(encoding.keys[here], return_index=True)[1])]
    given = distinct[rng.integers(len(distinct))]
    others = distinct[distinct != given]
    others = others[np.argsort(encoding.values[name][others], kind="stable")]
    if len(others) > MOST_ASKED:
        others = others[np.linspace(0, len(others) - 1, MOST_ASKED).round().astype(int)]
    rows = np.append(others, given)
    rows = rows[np.argsort(encoding.values[name][rows], kind="stable")]
    return rows, int(np.flatnonzero(rows == given)[0])


def _sweep(data: DataSet, encoding: Encoding, name: str, members: list[tuple[Rows, int]], first: int) -> Sweep:
    """Set the images of mini-batches side by side; `first` is the place of their inputs among all."""
    shape = (len(members), max(len(rows) for rows, _ in members))
    values = np.full(shape, np.nan)
    images = np.zeros((*shape, data.size, data.size), np.uint8)
    codes = np.zeros((*shape, encoding.codes.shape[1]), np.float32)
    for place, (rows, _) in enumerate(members):
        values[place, : len(rows)] = encoding.values[name][rows]
        images[place, : len(rows)] = _read(data, rows)
        codes[place, : len(rows)] = encoding.codes[rows]
    given = np.array([given for _, given in members], np.int64)
    return Sweep(first + np.arange(len(members)), values, images, codes, given)


def _coded(data: DataSet, encoding: Encoding, rows: Rows) -> Coded:
    values = {name: own[rows] for name, own in encoding.values.items()}
    return Coded(_read(data, rows), encoding.codes[rows], values, encoding.identity[rows])


def _read(data: DataSet, rows: Rows) -> NDArray[np.uint8]:
    """Read images (n, H, W) by their places in all of `data`."""
    images = np.empty((len(rows), data.size, data.size), np.uint8)
    number, position = np.divmod(rows, data.batch_size)
    for each in np.unique(number):
        here = number == each
        images[here] = data.minibatch(*_place(data, int(each))).images[position[here]]
    return images


def _place(data: DataSet, number: int) -> tuple[str, int]:
    """Return factor and index of a mini-batch by its number among all."""
    for factor in data.factors:
        if number < data.count(factor):
            return factor, number
        number -= data.count(factor)
    raise IndexError(f"{data.folder}: no mini-batch {number} more")
