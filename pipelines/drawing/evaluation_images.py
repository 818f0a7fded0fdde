"""The images that evidence is measured on: drawn in all poses and lights, or those of the shards where none can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.faces.catalog import FaceCatalog
from dcign.evaluation.encoding import Encoding, encode_images
from dcign.evaluation.evidence.from_shards import SWEPT, VIEWS, take_images, training_images
from dcign.evaluation.evidence.types import Boxes, Coded, Sweep
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from pipelines.console import progress_bar
from pipelines.drawing.feature_boxes import feature_boxes
from pipelines.drawing.probes import gallery_views, probe_views, simulation_views, sweep_angles, sweep_views
from pipelines.drawing.renderer import DatasetRenderer
from render.jobs.views import Views
from render.shards.data_set import DataSet

PORTRAITS = 5  # of the VIEWS of each probe, whose eyes, brows, noses and mouths are looked at


@dataclass(frozen=True, eq=False)
class Drawn:
    """Images and boxes that only a renderer gives, for the probes of P identities.

    observed     the first probe of each, which is inferred
    portraits    the first PORTRAITS probes of each
    simulations  other identities, each image with everything drawn anew; None where none were asked for
    parts        part of the coefficients -> how many, in their order; empty for chairs
    boxes        around facial features, of "portraits" and, under its name, of each sweep; or why there are none
    """

    observed: Coded
    portraits: Coded
    simulations: Coded | None
    parts: Mapping[str, int]
    boxes: Mapping[str, Boxes] | str


@dataclass(frozen=True, eq=False)
class EvaluationImages:
    """Images of identities that training has not seen, each with its code.

    probes     in which everything varies at once, VIEWS of each identity; of shards, whatever they hold
    gallery    one image of each, from in front; of shards, that nearest to `reference`, label -> value
    sought     the probes that are to be recognised: all, or those that are not in the gallery
    inputs     one image of each identity, to be re-posed
    swept      the inputs of the sweeps
    sweeps     factor with latents of its own -> some of `swept`, all else unchanged, at true values
    others     images (R, H, W) of other identities; None where there are none
    drawn      what else a renderer gave, or why there was none
    basis      what all this rests on where it was not drawn
    warnings   factors that have no sweep
    """

    probes: Coded
    gallery: Coded
    sought: Coded
    inputs: Coded
    swept: Coded
    sweeps: Mapping[str, Sweep]
    others: NDArray[np.uint8] | None
    drawn: Drawn | str
    reference: Mapping[str, float] | None = None
    basis: Mapping[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def images_of_shards(
    data: DataSet, encoding: Encoding, angle_latents: AngleLatents, reason: str, identities: int
) -> EvaluationImages:
    """Take images of at most `identities` identities out of `data`, for the `reason` that none can be drawn."""
    found = take_images(data, encoding, angle_latents, identities)
    return EvaluationImages(
        found.probes, found.gallery, found.sought, found.gallery, found.inputs, found.sweeps, training_images(data),
        reason, found.reference, found.basis, found.warnings,
    )  # fmt: skip


def draw_evaluation_images(
    run: Run, data: DataSet, angle_latents: AngleLatents, renderer: DatasetRenderer, identities: int, simulations: int
) -> EvaluationImages:
    """Draw `identities` of the data set's split and `simulations` of others, and encode each image once.

    BadInput where there are fewer than 2 identities.
    """
    seed = data.manifest.settings["seed"]
    probes = probe_views(renderer.catalog, renderer.sampling, seed, data.split, identities, VIEWS)
    gallery = gallery_views(renderer.catalog, renderer.sampling, probes)
    places = np.arange(len(probes)).reshape(-1, VIEWS)
    inputs, portraits = places[:, 0], places[:, :PORTRAITS].ravel()
    swept = probes.rows(inputs[:SWEPT])
    limits = {name: data.ranges[name] for name in angle_latents.groups if name in data.ranges}
    angles = {name: sweep_angles(ends) for name, ends in limits.items() if ends[0] < ends[1]}
    wanted = {"probes": probes, "gallery": gallery}
    wanted |= {name: sweep_views(swept, name, angles[name]) for name in angles}
    boxes = _boxes({"portraits": probes.rows(portraits), **{name: wanted[name] for name in angles}}, renderer)
    if simulations:
        wanted["simulations"] = simulation_views(renderer.catalog, renderer.sampling, seed, simulations)
    total = sum(map(len, wanted.values()))
    with progress_bar("draw", total, "image") as bar:
        images = {name: renderer.draw(views, bar.update) for name, views in wanted.items()}
    with progress_bar("encode", total, "image") as bar:
        coded = {
            name: _coded(views, images[name], encode_images(run, images[name], bar.update))
            for name, views in wanted.items()
        }
    observed, simulated = coded["probes"].rows(inputs), coded.get("simulations")
    return EvaluationImages(
        coded["probes"],
        coded["gallery"],
        coded["probes"],
        observed,
        observed.rows(np.arange(min(SWEPT, len(inputs)))),
        {name: _sweep(angles[name], coded[name]) for name in angles},
        None if simulated is None else simulated.images,
        Drawn(observed, coded["probes"].rows(portraits), simulated, renderer.catalog.parts, boxes),
    )


def _boxes(views: Mapping[str, Views], renderer: DatasetRenderer) -> dict[str, Boxes] | str:
    """Find the boxes around facial features in each of `views`, or say why there are none."""
    catalog = renderer.catalog
    if not isinstance(catalog, FaceCatalog):
        return f"{catalog.object}s have no eyes, brows, nose and mouth"
    if catalog.features is None:
        return f"the face model {catalog.name} does not tell where eyes, brows, nose and mouth are"
    return {name: feature_boxes(some, catalog, catalog.features, renderer.camera) for name, some in views.items()}


def _coded(views: Views, images: NDArray[np.uint8], codes: NDArray[np.float32]) -> Coded:
    return Coded(images, codes, views.values, views.identity, views.coefficients)


def _sweep(angles: NDArray[np.float64], coded: Coded) -> Sweep:
    shape = (-1, len(angles))
    return Sweep.even(
        angles,
        coded.images.reshape(*shape, *coded.images.shape[1:]),
        coded.codes.reshape(*shape, coded.codes.shape[-1]),
    )
