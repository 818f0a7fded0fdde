"""Measures of a model, while it trains, on mini-batches that it never trains on: the last ones of each factor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcign.errors import ArgumentError
from dcign.evaluation.metrics.angles import largest_leak, own_values, spearman
from dcign.evaluation.metrics.folds import Course, courses_of
from dcign.model.code import CodeLayout, named_latents
from dcign.model.devices import autocast
from dcign.model.interface import DCIGN
from dcign.model.step import divergence, inactive_variance, reconstruction, sample
from dcign.training.order import to_float
from render.shards.data_set import DataSet, MiniBatch

MOST = 10  # mini-batches of each factor, unless asked otherwise: 200 images see a change of a few per cent
_NOISE_STREAM = 3  # of the seed, beside those of `dcign.training.order`


def held_out_counts(counts: Mapping[str, int], wanted: int | None) -> dict[str, int]:
    """Return how many of the last mini-batches of each factor are kept out of training.

    counts  factor -> its mini-batches
    wanted  of each; None for a tenth of them but at most 10, and so none of fewer than 10

    ArgumentError when a factor would be left with nothing to train on.
    """
    if wanted is None:
        return {factor: min(MOST, count // 10) for factor, count in counts.items()}
    factor, fewest = min(counts.items(), key=lambda entry: entry[1])
    if not 0 <= wanted < fewest:
        raise ArgumentError(
            "held_out",
            f"expected 0 to {fewest - 1} mini-batches of each factor, since there are {fewest} of {factor} "
            f"and one must be left to train on; found {wanted}",
        )
    return dict.fromkeys(counts, wanted)


def held_out_minibatches(data: DataSet, held_out: Mapping[str, int]) -> Iterator[MiniBatch]:
    """The last `held_out[factor]` mini-batches of each factor, factor by factor."""
    for factor in data.factors:
        count = data.count(factor)
        for index in range(count - held_out.get(factor, 0), count):
            yield data.minibatch(factor, index)


@contextmanager
def observing(model: DCIGN) -> Iterator[None]:
    """Put the model in evaluation mode and record nothing for gradients; afterwards it is as it was."""
    before = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(before)


def images_of(minibatch: MiniBatch, device: torch.device) -> Tensor:
    """Put the images of a mini-batch on the device, (N, 1, H, W) float32 in [0, 1]."""
    return to_float(torch.from_numpy(minibatch.images).to(device))


def diagnose(
    model: DCIGN,
    layout: CodeLayout,
    data: DataSet,
    held_out: Mapping[str, int],
    *,
    likelihood: str,
    deviation: float = 0.1,
    seed: int,
    precision: str,
    device: torch.device,
) -> dict[str, Any] | None:
    """Measure the model on the mini-batches held out, with nothing clamped; None if there are none.

    Ready for JSON; a number that is not defined or not finite is None:

    - `bound`: nats per image: reconstruction of one sample of z, and KL over all latents. The noise of the sample is
      the same each time, so that steps can be compared;
    - `mse`: of decoding the means, mean over all pixels, grey values in [0, 1]; `mean_image_mse`: of their mean image;
    - `images`: how many there are;
    - `spearman`: factor -> |Spearman| with its latent, for the factors that have a single one, categories apart, which
      have no order; `leak`: the largest of these latents with another factor; `course`: factor -> how its latent runs
      with it (`dcign.evaluation.metrics.folds`), for those with enough mini-batches;
    - `factors`: the same `reconstruction` and `kl`, nats per image, over the mini-batches of one factor, and
      `inactive_variance`, of the means within a mini-batch as in training.
    """
    if not any(held_out.values()):
        return None
    noise_source = np.random.Generator(np.random.PCG64([seed, _NOISE_STREAM]))
    active = {factor: torch.from_numpy(layout.active(factor)).to(device) for factor in data.factors}
    every = torch.ones(layout.latents, device=device)
    minibatches = list(held_out_minibatches(data, held_out))
    terms, codes = [], []  # stay on the device: one wait for it, at the end
    sums = torch.zeros(2, data.size, data.size, dtype=torch.float64, device=device)  # of pixels and their squares
    with observing(model):
        for minibatch in minibatches:
            images = images_of(minibatch, device)
            noise = noise_source.standard_normal((len(images), layout.latents), dtype=np.float32)
            with autocast(precision, device):
                mean, logvar = model.encode(images)
                logits = model.decode_logits(sample(mean, logvar, torch.from_numpy(noise).to(device)))
                decoded = model.decode(mean)
            error = reconstruction(logits, images, likelihood, deviation).mean()
            kl = divergence(mean, logvar, every) / len(images)
            squared = (decoded - images).square().mean()
            terms.append(torch.stack((error, kl, squared, inactive_variance(mean, active[minibatch.factor]))))
            codes.append(mean)
            sums += torch.stack((images, images.square())).sum(dim=(1, 2))
    table = torch.stack(terms).double().cpu().numpy()  # (B, 4)
    means = torch.cat(codes).float().cpu().numpy()  # (M, Z)
    kinds = np.array([minibatch.factor for minibatch in minibatches])
    own, leak, courses = _correlations(layout, data, minibatches, means)
    average = table.mean(axis=0).tolist()
    mean_image, squares = sums / len(means)
    return {
        "bound": _number(average[0] + average[1]),
        "mse": _number(average[2]),
        "mean_image_mse": float((squares - mean_image.square()).mean()),
        "images": len(means),
        "spearman": own,
        "leak": leak,
        "course": {name: asdict(found) for name, found in courses.items()},
        "factors": {
            factor: _of_factor(table[kinds == factor], layout.active(factor))
            for factor in data.factors
            if held_out.get(factor)
        },
    }


def _of_factor(table: NDArray[np.float64], active: NDArray[np.bool_]) -> dict[str, float | None]:
    error, kl, _, spread = table.mean(axis=0).tolist()
    return {
        "reconstruction": _number(error),
        "kl": _number(kl),
        "inactive_variance": None if active.all() else _number(spread),
    }


def _correlations(
    layout: CodeLayout, data: DataSet, minibatches: list[MiniBatch], means: NDArray[np.float32]
) -> tuple[dict[str, float | None], float | None, dict[str, Course]]:
    """|Spearman| of each label's single latent with its own factor, the largest with another's, and their courses."""
    angle_latents = named_latents(layout)
    ordered = [name for name, label in data.labels.items() if not label.categories]
    names = [name for name in angle_latents.single if name in ordered]
    latents = {name: angle_latents.own(means, name) for name in names}
    if not all(np.isfinite(latent).all() for latent in latents.values()):
        return dict.fromkeys(names), None, {}
    values = {name: np.concatenate([minibatch.values[name] for minibatch in minibatches]) for name in ordered}
    numbers = np.repeat(np.arange(len(minibatches)), [len(minibatch.images) for minibatch in minibatches])
    found = spearman(latents, values, numbers).table
    leak = largest_leak(found)
    own = own_values(found)
    courses = courses_of(latents, values, numbers, np.array([minibatches[number].factor for number in numbers]), own)
    return own, None if leak is None else float(leak["value"]), courses


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
