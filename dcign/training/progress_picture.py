"""The picture of a run in training: a few images with their reconstructions, and sweeps of single latents."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.codes import set_latent
from dcign.engine.drawing import Row, Tile, draw_rows, readable_scale, value_text
from dcign.model.code import CodeLayout, named_latents
from dcign.model.interface import DCIGN
from dcign.training.held_out import held_out_minibatches, images_of, observing
from render.shards.data_set import DataSet, MiniBatch
from render.shards.labels import Label

COLUMNS = 8
INSTEAD = 2  # last mini-batches of each factor that are shown when none are held out
WIDENED = 0.1  # of the width of a sweep, added at either end


def draw_progress(
    model: DCIGN, layout: CodeLayout, data: DataSet, held_out: Mapping[str, int], device: torch.device
) -> Image.Image:
    """Draw held-out images of each factor above their reconstructions, and sweeps of single latents of the first image.

    Swept are every label's latent that stands alone and the first one of no label, each over the range of its means on
    the held-out images. When nothing is held out, the last training mini-batches take their place. The model is left as
    it was found.
    """
    kind = "Held-out images" if any(held_out.values()) else "Training images"
    if not any(held_out.values()):
        held_out = {factor: min(INSTEAD, data.count(factor)) for factor in data.factors}
    minibatches = list(held_out_minibatches(data, held_out))
    with observing(model):
        codes = [model.encode(images_of(minibatch, device))[0].float().cpu().numpy() for minibatch in minibatches]
        chosen = choose(minibatches, data.labels)
        originals = [
            Tile(minibatches[number].images[place] / np.float32(255), caption) for number, place, caption in chosen
        ]
        shown = np.stack([codes[number][place] for number, place, _ in chosen])  # (S, Z)
        decoded = [Tile(image) for image in _decode(model, shown, device)]
        rows = [Row(originals, "original", f"{kind}, one factor varying at a time"), Row(decoded, "decoded")]
        heading = "One latent changed, all others as in the first image"
        means = np.concatenate(codes)  # (M, Z)
        for label, index in swept_latents(layout):
            values = sweep_values(means[:, index])
            frames = _decode(model, set_latent(shown[0], index, [shown[0, index], *values]), device)
            captions = [f"as read: {_text(shown[0, index])}", *(f"z = {_text(value)}" for value in values)]
            tiles = [Tile(frame, caption) for frame, caption in zip(frames, captions, strict=True)]
            rows.append(Row(tiles, label, heading))
            heading = ""
    return draw_rows(rows, scale=readable_scale(data.size))


def choose(minibatches: list[MiniBatch], labels: Mapping[str, Label]) -> list[tuple[int, int, str]]:
    """Choose up to 8 images, or one of each factor, from its first mini-batch: (number of mini-batch, place, caption).

    Those of a mini-batch in which a number varies are spread over its values.
    """
    firsts: dict[str, int] = {}
    for number, minibatch in enumerate(minibatches):
        firsts.setdefault(minibatch.factor, number)
    share = max(1, COLUMNS // len(firsts))
    chosen = []
    for factor, number in firsts.items():
        values = minibatches[number].values.get(factor)
        images = len(minibatches[number].images)
        count = min(share, images)
        if values is None:
            chosen += [(number, place, f"{factor} {place + 1}") for place in range(count)]
        else:
            ranks = (np.arange(count) + 0.5) / count * images  # the middles of equal parts
            places = np.argsort(values, kind="stable")[ranks.astype(np.int64)]
            chosen += [
                (number, int(place), f"{factor} {value_text(labels[factor], values[place])}") for place in places
            ]
    return chosen


def swept_latents(layout: CodeLayout) -> list[tuple[str, int]]:
    """Return caption and index of the latents to sweep: those of labels that stand alone, then one of no label."""
    angle_latents = named_latents(layout)
    swept = [(name, int(angle_latents.latents(name)[0])) for name in angle_latents.single]
    for name, width in layout.parts:
        if name not in layout.labels:
            caption = f"{name} (1 of {width})" if width > 1 else name
            return [*swept, (caption, int(layout.indices(name)[0]))]
    return swept


def sweep_values(latent: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the values of a sweep over the range of all but 5 % of `latent` (M,), a little widened."""
    low, high = (float(value) for value in np.quantile(latent, (0.025, 0.975)))
    more = WIDENED * (high - low)
    return np.linspace(low - more, high + more, COLUMNS - 1)


def _decode(model: DCIGN, codes: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Decode `codes` (S, Z) to images in [0, 1], (S, H, W) float32."""
    images: NDArray[np.float32] = model.decode(torch.from_numpy(codes).to(device))[:, 0].float().cpu().numpy()
    return images


def _text(value: float) -> str:
    return f"{float(value):.2g}".replace("-", "−")
