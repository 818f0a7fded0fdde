"""Figures 4 and 5 of the paper: each latent of a factor set from -15 to 15, all others left alone, and decoded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcign.engine.codes import decode, set_latent
from dcign.engine.curves import FactorCurve
from dcign.engine.drawing import Row, Tile, draw_rows, png, readable_scale, value_text
from dcign.evaluation.evidence.types import Cell, Coded, Figure, Section, Table
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from render.shards.labels import Label

OBJECTS = 3
VALUES = np.linspace(-15.0, 15.0, 11)  # paper, Figures 4 and 5


def section(
    run: Run,
    inputs: Coded,
    angle_latents: AngleLatents,
    curves: Mapping[str, FactorCurve],
    probes: Coded,
    labels: Mapping[str, Label],
) -> Section:
    """The part of the report: sweeps of each factor's latents for some `inputs` (O), their values over `probes` (M)."""
    title, paper = "The paper's sweeps: a latent set from −15 to 15", f"{VALUES[0]:g} to {VALUES[-1]:g}"
    text = f"One image is encoded; each latent of a factor is set in turn to {paper}, all others stay as inferred."
    latents = [(name, int(latent)) for name, group in angle_latents.groups.items() for latent in group]
    if not latents:
        return Section(title, text, [], ["No latents of this run stand for a factor: there is nothing to sweep."])
    ends = {latent: np.quantile(probes.codes[:, latent], [0.01, 0.99]) for _, latent in latents}
    return Section(
        title,
        text,
        [
            _picture(run, inputs, angle_latents, latents, ends),
            _table(angle_latents, latents, ends, curves, probes, labels),
        ],
    )


def _picture(
    run: Run,
    inputs: Coded,
    angle_latents: AngleLatents,
    latents: list[tuple[str, int]],
    ends: Mapping[int, NDArray[np.floating]],
) -> Figure:
    rows: list[Row] = []
    places = np.unique(np.linspace(0, len(inputs.codes) - 1, OBJECTS).round().astype(np.int64))
    for number, place in enumerate(places, 1):
        code, image = inputs.codes[place], inputs.images[place] / 255.0
        for name, latent in latents:
            frames = decode(run, set_latent(code, latent, VALUES))
            tiles = [
                Tile(image, f"input, z = {_text(code[latent])}"),
                *(Tile(frame, _text(value)) for frame, value in zip(frames, VALUES, strict=True)),
            ]
            heading = f"{run.object} {number} (identity {inputs.identity[place]})" if latent == latents[0][1] else ""
            rows.append(Row(tiles, _symbol(name, latent, angle_latents), heading))
    beyond = [
        _symbol(name, latent, angle_latents) for name, latent in latents if np.abs(ends[latent]).max() < VALUES[-1] / 2
    ]
    caption = (
        f"Compare Figures 4 and 5 of the paper. Input, then the image decoded with that latent at the value over it, "
        f"for {len(places)} unseen objects at even steps through the set. Only that factor should change from left to "
        "right."
    )
    if beyond:
        caption += (
            f" The paper's range is far outside what {', '.join(beyond)} of this run take{'s' * (len(beyond) == 1)} on "
            "images (see the table): the ends show the decoder where it was never trained. The sweep over the "
            "calibrated range is under 'Turning one knob at a time'."
        )
    size = inputs.images.shape[1]
    return Figure("traversals", png(draw_rows(rows, scale=readable_scale(size))), caption, broad=True)


def _table(
    angle_latents: AngleLatents,
    latents: list[tuple[str, int]],
    ends: Mapping[int, NDArray[np.floating]],
    curves: Mapping[str, FactorCurve],
    probes: Coded,
    labels: Mapping[str, Label],
) -> Table:
    rows: list[list[Cell]] = []
    for name, latent in latents:
        rows.append([_symbol(name, latent, angle_latents), *(float(end) for end in ends[latent])])
        curve = curves.get(name)
        if curve is None:
            rows[-1].append("no calibration")
            continue
        column = int(np.flatnonzero(angle_latents.groups[name] == latent)[0])
        values = curve.to_latent(np.asarray(curve.range)).reshape(2, -1)[:, column]
        whole = np.asarray(curve.latent).reshape(len(curve.values), -1)[:, column]
        low, high = (value_text(labels[name], end) for end in curve.range)
        if curve.circular or labels[name].categories:
            around = "over the categories" if labels[name].categories else "around the circle"
            rows[-1].append(f"{_text(whole.min())} to {_text(whole.max())} {around}")
        else:
            rows[-1].append(f"{_text(values[0])} at {low} to {_text(values[1])} at {high}")
    caption = (
        f"What values each latent really takes: the 1st and 99th percentile over {len(probes.codes):,} images of "
        "unseen objects, and its mean at the ends of the calibrated range."
    )
    return Table(("latent", "1st percentile", "99th percentile", "calibrated"), rows, caption)


def _symbol(name: str, latent: int, angle_latents: AngleLatents) -> str:
    """'z_azimuth', with its place in the code where there are several or where it had to be found."""
    return f"z_{name} (latent {latent})" if angle_latents.found or len(angle_latents.groups[name]) > 1 else f"z_{name}"


def _text(value: float) -> str:
    return f"{float(value):.2g}".replace("-", "−")
