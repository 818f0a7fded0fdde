"""All evidence on a run that goes beyond its shards: what is drawn for it and encoded once, and each kind in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from dcign.encoding import encode_images
from dcign.evaluation import Evaluation
from dcign.evidence import disentanglement, groups, inference, novel_views, recognition, response, traversals, views
from dcign.evidence.coded import Coded, Sweep
from dcign.evidence.section import Evidence
from dcign.knobs import Knobs
from dcign.run import Run
from pipelines.console import progress_bar
from pipelines.drawing.probes import gallery_views, probe_views, simulation_views, sweep_angles, sweep_views
from pipelines.drawing.renderer import NoStudio, Studio, open_studio
from render.shards import DataSet
from render.views import Views

KINDS = ("traversals", "novel_views", "response", "recognition", "disentanglement", "groups", "inference")
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


@contextmanager
def studio_of(data: DataSet, assets: Path | None, identities: int) -> Iterator[Studio | str]:
    """The renderer of `data`, with the models at `assets`, or why nothing is drawn. BadInput for other models."""
    if identities == 0:
        yield "--identities 0 asks for no images to be drawn"
        return
    try:
        studio = open_studio(data, assets)
    except NoStudio as reason:
        yield str(reason)
        return
    with studio:
        yield studio


def gather(
    run: Run, data: DataSet, evaluation: Evaluation, studio: Studio | str, identities: int, simulations: int
) -> dict[str, Evidence]:
    """Kind -> evidence, from images that `studio` draws; without one, each kind says why it was skipped."""
    if isinstance(studio, str):
        click.echo(f"Nothing is drawn: {studio}", err=True)
        return _skipped(studio)
    evaluation.measures["warnings"] += studio.warnings
    kinds = _kinds(run, data, evaluation, draw(run, data, evaluation.knobs, studio, identities, simulations))
    measured = {}
    with progress_bar("measure", len(kinds), "kind") as bar:
        for name, kind in kinds.items():
            bar.set_postfix_str(name.replace("_", " "))
            measured[name] = kind()
            bar.update()
    return measured


def _skipped(reason: str) -> dict[str, Evidence]:
    return {name: Evidence({"skipped": reason}, None) for name in KINDS}


def _kinds(run: Run, data: DataSet, evaluation: Evaluation, drawn: Drawn) -> dict[str, Callable[[], Evidence]]:
    """The kinds of evidence in the order of the page, each as a function that has it measured."""
    knobs, curves = evaluation.knobs, evaluation.calibration.curves
    probes, ranges = drawn.probes, data.ranges
    swept = drawn.inputs.rows(np.arange(min(SWEPT, len(drawn.inputs.identity))))

    def sweeps() -> Evidence:
        return Evidence({}, traversals.section(run, drawn.inputs, knobs, curves, probes))

    def novel() -> Evidence:
        compared = views.compare(run, swept, drawn.sweeps, curves, knobs)
        measures = novel_views.measure(compared)
        return Evidence(measures, novel_views.section(measures, compared))

    def answer() -> Evidence:
        measures = response.measure(swept, drawn.sweeps, probes, knobs, ranges)
        return Evidence(measures, response.section(measures))

    def recognise() -> Evidence:
        others = drawn.simulations.images if drawn.simulations else None
        measures = recognition.measure(drawn.gallery, probes, knobs, ranges, others)
        return Evidence(measures, recognition.section(measures))

    def disentangle() -> Evidence:
        measures = disentanglement.measure(probes, knobs, ranges)
        return Evidence(measures, disentanglement.section(measures))

    def group() -> Evidence:
        measures = groups.measure(probes, knobs, ranges, drawn.parts)
        return Evidence(measures, groups.section(measures))

    def infer() -> Evidence:
        if drawn.simulations is None:
            return Evidence({"skipped": "--simulations 0 asks for none"}, None)
        measures, posteriors = inference.measure(drawn.simulations, drawn.inputs, ranges, drawn.parts)
        return Evidence(measures, inference.section(measures, posteriors))

    kinds: dict[str, Any] = dict(zip(KINDS, (sweeps, novel, answer, recognise, disentangle, group, infer), strict=True))
    return kinds
