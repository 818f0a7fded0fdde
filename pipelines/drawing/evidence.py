"""Evidence on a run that goes beyond its shards: images are drawn for it, encoded once, and measured kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from assets.faces.catalog import FaceCatalog
from dcign.engine.codes import decode
from dcign.evaluation.encoding import encode_images
from dcign.evaluation.evidence import (
    clamped_views,
    disentanglement,
    facial_features,
    groups,
    inference,
    novel_views,
    recognition,
    response,
    traversals,
)
from dcign.evaluation.evidence.novel_views import NovelViews
from dcign.evaluation.evidence.types import Boxes, Coded, Evidence, Sweep
from dcign.evaluation.measures import Evaluation
from dcign.model.code import AngleLatents
from dcign.runs.run import Run
from pipelines.console import progress_bar
from pipelines.drawing.feature_boxes import RULE, feature_boxes
from pipelines.drawing.probes import gallery_views, probe_views, simulation_views, sweep_angles, sweep_views
from pipelines.drawing.renderer import CannotDraw, DatasetRenderer, open_dataset_renderer
from render.jobs.views import Views
from render.shards.data_set import DataSet

KINDS = (
    "traversals",
    "novel_views",
    "facial_features",
    "clamped_views",
    "response",
    "recognition",
    "disentanglement",
    "groups",
    "inference",
)
VIEWS = 20  # of each probe
PORTRAITS = 5  # of these, whose eyes, brows, noses and mouths are looked at
SWEPT = 60  # identities whose true sweeps are drawn


@dataclass(frozen=True, eq=False)
class EvaluationImages:
    """Images of P identities that training has not seen, and simulations of others, each with its code.

    probes       P x VIEWS images in which everything varies at once
    gallery      one image of each, from in front
    inputs       the first probe of each: what is re-posed, and what is inferred
    portraits    the first PORTRAITS probes of each
    sweeps       angle with latents of its own -> the first SWEPT inputs, all else unchanged, at true angles
    simulations  other identities, each image with everything drawn anew
    parts        part of the coefficients -> how many, in their order; empty for chairs
    boxes        around facial features, of "portraits" and, under its name, of each sweep; or why there are none
    """

    probes: Coded
    gallery: Coded
    inputs: Coded
    portraits: Coded
    sweeps: Mapping[str, Sweep]
    simulations: Coded | None
    parts: Mapping[str, int]
    boxes: Mapping[str, Boxes] | str


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
    return EvaluationImages(
        coded["probes"],
        coded["gallery"],
        coded["probes"].rows(inputs),
        coded["probes"].rows(portraits),
        {name: _sweep(angles[name], coded[name]) for name in angles},
        coded.get("simulations"),
        renderer.catalog.parts,
        boxes,
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
    return Sweep(
        angles,
        coded.images.reshape(*shape, *coded.images.shape[1:]),
        coded.codes.reshape(*shape, coded.codes.shape[-1]),
    )


@contextmanager
def renderer_or_reason(data: DataSet, assets: Path | None, identities: int) -> Iterator[DatasetRenderer | str]:
    """Open the renderer of `data`, with the models at `assets`, or say why none is. BadInput for other models."""
    if identities == 0:
        yield "--identities 0 asks for no images to be drawn"
        return
    try:
        renderer = open_dataset_renderer(data, assets)
    except CannotDraw as reason:
        yield str(reason)
        return
    with renderer:
        yield renderer


def gather(
    run: Run, data: DataSet, evaluation: Evaluation, renderer: DatasetRenderer | str, identities: int, simulations: int
) -> dict[str, Evidence]:
    """Measure each kind of evidence on images that `renderer` draws.

    Where that is a reason instead, each says so but those that need no more than the shards.
    """
    if isinstance(renderer, str):
        click.echo(f"Nothing is drawn: {renderer}", err=True)
        skipped = {name: Evidence({"skipped": renderer}, None) for name in KINDS}
        return {**skipped, "clamped_views": _clamped(run, data, evaluation)}
    evaluation.measures["warnings"] += renderer.warnings
    images = draw_evaluation_images(run, data, evaluation.angle_latents, renderer, identities, simulations)
    kinds = _kinds(run, data, evaluation, images)
    measured = {}
    with progress_bar("measure", len(kinds), "kind") as bar:
        for name, kind in kinds.items():
            bar.set_postfix_str(name.replace("_", " "))
            measured[name] = kind()
            bar.update()
    return measured


def _clamped(run: Run, data: DataSet, evaluation: Evaluation) -> Evidence:
    measures = clamped_views.measure(clamped_views.compare(run, data, evaluation.encoding, evaluation.angle_latents))
    return Evidence(measures, clamped_views.section(measures))


def _kinds(
    run: Run, data: DataSet, evaluation: Evaluation, images: EvaluationImages
) -> dict[str, Callable[[], Evidence]]:
    """List the kinds of evidence in the order of the page, each with a function that measures it."""
    angle_latents, curves = evaluation.angle_latents, evaluation.calibration.curves
    probes, ranges = images.probes, data.ranges
    swept = images.inputs.rows(np.arange(min(SWEPT, len(images.inputs.identity))))

    def sweeps() -> Evidence:
        return Evidence({}, traversals.section(run, images.inputs, angle_latents, curves, probes))

    @cache
    def turned() -> NovelViews:
        return novel_views.compare(run, swept, images.sweeps, curves, angle_latents)

    def novel() -> Evidence:
        measures = novel_views.measure(turned())
        return Evidence(measures, novel_views.section(measures, turned()))

    def look() -> Evidence:
        if isinstance(images.boxes, str):
            return Evidence({"skipped": images.boxes}, None)
        decoded = decode(run, images.portraits.codes)
        errors = facial_features.compare(
            images.portraits, decoded, images.boxes["portraits"], turned(), images.sweeps, images.boxes
        )
        measures = facial_features.measure(errors, RULE)
        return Evidence(measures, facial_features.section(measures, errors))

    def clamp() -> Evidence:
        return _clamped(run, data, evaluation)

    def answer() -> Evidence:
        measures = response.measure(swept, images.sweeps, probes, angle_latents, ranges)
        return Evidence(measures, response.section(measures))

    def recognise() -> Evidence:
        others = images.simulations.images if images.simulations else None
        measures = recognition.measure(images.gallery, probes, angle_latents, ranges, others)
        return Evidence(measures, recognition.section(measures))

    def disentangle() -> Evidence:
        measures = disentanglement.measure(probes, angle_latents, ranges)
        return Evidence(measures, disentanglement.section(measures))

    def group() -> Evidence:
        measures = groups.measure(probes, angle_latents, ranges, images.parts)
        return Evidence(measures, groups.section(measures))

    def infer() -> Evidence:
        if images.simulations is None:
            return Evidence({"skipped": "--simulations 0 asks for none"}, None)
        measures, posteriors = inference.measure(images.simulations, images.inputs, ranges, images.parts)
        return Evidence(measures, inference.section(measures, posteriors))

    measured = (sweeps, novel, look, clamp, answer, recognise, disentangle, group, infer)
    return dict(zip(KINDS, measured, strict=True))
