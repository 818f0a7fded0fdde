"""The picture of what the code has learnt: inputs, reconstructions and a sweep of each angle's latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.codes import decode, sweep
from dcign.engine.curves import Curve, GroupCurve
from dcign.evaluation.encoding import Encoding
from dcign.evaluation.measures import Evaluation
from dcign.images.drawing import READABLE, Row, Tile, degrees_text, draw_rows
from dcign.runs.run import Run
from render.shards import DataSet

OBJECTS = 4
FRAMES = 9


def pick(encoding: Encoding, count: int = OBJECTS) -> NDArray[np.int64]:
    """Rows of up to `count` images of different identities, at even steps through the mini-batches."""
    _, firsts = np.unique(encoding.minibatch, return_index=True)
    _, unique = np.unique(encoding.identity[firsts], return_index=True)
    candidates = firsts[np.sort(unique)]
    chosen = np.unique(np.linspace(0, len(candidates) - 1, count).round().astype(np.int64))
    return candidates[chosen].astype(np.int64)


def draw_examples(run: Run, data: DataSet, evaluation: Evaluation) -> Image.Image:
    """For a few identities: one row for each angle with latents of its own: input, reconstruction, sweep in degrees."""
    encoding, knobs = evaluation.encoding, evaluation.knobs
    rows: list[Row] = []
    for number, place in enumerate(pick(encoding), 1):
        image = image_of(data, encoding, int(place))
        code = encoding.codes[place]
        reconstruction = decode(run, code[None])[0]
        heading = f"{run.object} {number} (identity {encoding.identity[place]})"
        names = [name for name in knobs.groups if name in encoding.degrees]
        if not names:
            rows.append(Row([Tile(image, "input"), Tile(reconstruction, "decoded")], heading=heading))
        for name in names:
            curve = evaluation.calibration.curves.get(name)
            inferred = "decoded"
            if curve is not None and curve.invertible:
                inferred = f"read {degrees_text(float(curve.to_degrees(knobs.own(code, name))))}"
            values, captions = sweep_values(curve, knobs.own(encoding.codes, name))
            frames = list(sweep(run, knobs, code, name, values)) if captions else []
            tiles = [
                Tile(image, f"true {degrees_text(encoding.degrees[name][place])}"),
                Tile(reconstruction, inferred),
                *(Tile(frame, caption) for frame, caption in zip(frames, captions, strict=True)),
            ]
            rows.append(Row(tiles, label=name, heading=heading if name == names[0] else ""))
    return draw_rows(rows, scale=max(1, -(-READABLE // data.size)))


def sweep_values(curve: Curve | GroupCurve | None, own: NDArray[np.floating]) -> tuple[NDArray[np.floating], list[str]]:
    """Values of an angle's latents, (S,) or (S, W), and captions of a sweep over the calibrated range.

    Without a calibration, over 90 % of a single latent `own` (M,), and none of a group (M, W), which has no order.
    """
    if curve is not None:
        angles = np.linspace(*curve.range, FRAMES)
        return curve.to_latent(angles), [degrees_text(angle) for angle in angles]
    if own.ndim > 1:
        return own[:0], []
    low, high = (float(np.quantile(own, share)) for share in (0.05, 0.95))
    values = np.linspace(low, high, FRAMES)
    return values, [f"z = {value:.2g}" for value in values]


def image_of(data: DataSet, encoding: Encoding, place: int) -> NDArray[np.float32]:
    """The image (H, W) in [0, 1] behind row `place` of the encoding, read again from its shard."""
    number, factor = encoding.minibatch[place], str(encoding.kinds[place])
    numbers = np.unique(encoding.minibatch[encoding.kinds == factor])
    index = int(np.searchsorted(numbers, number))
    position = place - int(np.flatnonzero(encoding.minibatch == number)[0])
    return np.asarray(data.minibatch(factor, index).images[position], dtype=np.float32) / 255.0
