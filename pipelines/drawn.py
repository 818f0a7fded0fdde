"""What an evaluation has the renderer draw, encoded once: probes, their gallery, true sweeps and simulations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcign.encoding import encode_images
from dcign.evidence.coded import Coded, Sweep
from dcign.knobs import Knobs
from dcign.run import Run
from pipelines.probes import gallery_views, probe_views, simulation_views, sweep_angles, sweep_views
from pipelines.progress import progress_bar
from pipelines.studio import Studio
from render.shards import DataSet
from render.views import Views

VIEWS = 20  # of each probe
SWEPT = 60  # identities whose true sweeps are drawn


@dataclass(frozen=True, eq=False)
class Drawn:
    """P identities that training has not seen, and simulations of others.

    probes       P x VIEWS images in which everything varies at once
    gallery      one image of each, from in front
    inputs       the first probe of each: what is re-posed, and what is inferred
    sweeps       angle with a knob -> the first SWEPT inputs, all else unchanged, at true angles
    simulations  other identities, each image with everything drawn anew
    parts        part of the coefficients -> how many, in their order; empty for chairs
    """

    probes: Coded
    gallery: Coded
    inputs: Coded
    sweeps: Mapping[str, Sweep]
    simulations: Coded | None
    parts: Mapping[str, int]


def draw(run: Run, data: DataSet, knobs: Knobs, studio: Studio, identities: int, simulations: int) -> Drawn:
    """Draw all of it for `identities` of the data set's split and `simulations` others, and encode each image once.

    BadInput where there are fewer than 2 identities.
    """
    seed = data.manifest.settings["seed"]
    probes = probe_views(studio.catalog, studio.sampling, seed, data.split, identities, VIEWS)
    gallery = gallery_views(studio.catalog, studio.sampling, probes)
    inputs = probes.rows(np.arange(0, len(probes), VIEWS))
    limits = {name: data.ranges[name] for name in knobs.groups if name in data.ranges}
    angles = {name: sweep_angles(ends) for name, ends in limits.items() if ends[0] < ends[1]}
    wanted = {"probes": probes, "gallery": gallery}
    wanted |= {name: sweep_views(inputs.rows(slice(0, SWEPT)), name, angles[name]) for name in angles}
    if simulations:
        wanted["simulations"] = simulation_views(studio.catalog, studio.sampling, seed, simulations)
    total = sum(map(len, wanted.values()))
    with progress_bar("draw", total, "image") as bar:
        images = {name: studio.draw(views, bar.update) for name, views in wanted.items()}
    with progress_bar("encode", total, "image") as bar:
        coded = {
            name: _coded(views, images[name], encode_images(run, images[name], bar.update))
            for name, views in wanted.items()
        }
    return Drawn(
        coded["probes"],
        coded["gallery"],
        coded["probes"].rows(np.arange(0, len(probes), VIEWS)),
        {name: _sweep(angles[name], coded[name]) for name in angles},
        coded.get("simulations"),
        studio.catalog.parts,
    )


def _coded(views: Views, images: NDArray[np.uint8], codes: NDArray[np.float32]) -> Coded:
    return Coded(images, codes, views.values, views.identity, views.coefficients)


def _sweep(angles: NDArray[np.float64], coded: Coded) -> Sweep:
    shape = (-1, len(angles))
    return Sweep(
        angles,
        coded.images.reshape(*shape, *coded.images.shape[1:]),
        coded.codes.reshape(*shape, coded.codes.shape[-1]),
    )
