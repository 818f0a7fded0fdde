"""All evidence on a run that goes beyond its shards: what is drawn for it, and each kind in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from dcign.evaluation import Evaluation
from dcign.evidence import disentanglement, groups, inference, novel_views, recognition, response, traversals, views
from dcign.evidence.section import Evidence
from dcign.run import Run
from pipelines.drawn import SWEPT, Drawn, draw
from pipelines.progress import progress_bar
from pipelines.studio import NoStudio, Studio, open_studio
from render.shards import DataSet

KINDS = ("traversals", "novel_views", "response", "recognition", "disentanglement", "groups", "inference")


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
