"""Evidence on a run, kind by kind: on images drawn for it, or where none can be, on those of the shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import click

from dcign.engine.codes import decode
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
    view_errors,
)
from dcign.evaluation.evidence.types import Evidence
from dcign.evaluation.evidence.view_errors import NovelViews
from dcign.evaluation.measures import Evaluation
from dcign.runs.run import Run
from pipelines.console import progress_bar
from pipelines.drawing.evaluation_images import EvaluationImages, draw_evaluation_images, images_of_shards
from pipelines.drawing.feature_boxes import RULE
from pipelines.drawing.renderer import CannotDraw, DatasetRenderer, open_dataset_renderer
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
    """Measure each kind of evidence on images that `renderer` draws, or on those of the shards where it is a reason.

    For no identities each kind says so but the one that needs no more than mini-batches.
    """
    if isinstance(renderer, str):
        click.echo(f"Nothing is drawn: {renderer}", err=True)
        if identities == 0:
            skipped = {name: Evidence({"skipped": renderer}, None) for name in KINDS}
            return {**skipped, "clamped_views": _clamped(run, data, evaluation)}
        click.echo("The evidence is taken from the images of the shards.", err=True)
        images = images_of_shards(data, evaluation.encoding, evaluation.angle_latents, renderer, identities)
    else:
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


def _skipped(reason: str) -> Evidence:
    return Evidence({"skipped": reason}, None)


def _kinds(
    run: Run, data: DataSet, evaluation: Evaluation, images: EvaluationImages
) -> dict[str, Callable[[], Evidence]]:
    """List the kinds of evidence in the order of the page, each with a function that measures it."""
    angle_latents, curves = evaluation.angle_latents, evaluation.calibration.curves
    probes, labels, drawn = images.probes, data.labels, images.drawn
    parts = {} if isinstance(drawn, str) else drawn.parts

    def resting(measures: dict[str, Any], *warnings: str) -> dict[str, Any]:
        """Add to measures of images of the shards what they rest on."""
        if images.basis is None:
            return measures
        return {**measures, "basis": dict(images.basis), "warnings": [*measures["warnings"], *warnings]}

    def sweeps() -> Evidence:
        return Evidence({}, traversals.section(run, images.inputs, angle_latents, curves, probes, labels))

    @cache
    def turned() -> NovelViews:
        return view_errors.compare(run, images.swept, images.sweeps, curves, angle_latents)

    def novel() -> Evidence:
        if not images.sweeps and images.basis is not None:
            return _skipped(" ".join(images.warnings) or "no factor has latents of its own")
        measures = resting(novel_views.measure(turned()), *images.warnings)
        return Evidence(measures, novel_views.section(measures, turned()))

    def look() -> Evidence:
        if isinstance(drawn, str):
            return _skipped(drawn)
        if isinstance(drawn.boxes, str):
            return _skipped(drawn.boxes)
        decoded = decode(run, drawn.portraits.codes)
        errors = facial_features.compare(
            drawn.portraits, decoded, drawn.boxes["portraits"], turned(), images.sweeps, drawn.boxes
        )
        measures = facial_features.measure(errors, RULE)
        return Evidence(measures, facial_features.section(measures, errors))

    def clamp() -> Evidence:
        return _clamped(run, data, evaluation)

    def answer() -> Evidence:
        if not images.sweeps and images.basis is not None:
            return _skipped(" ".join(images.warnings) or "no factor has latents of its own")
        found = response.measure(images.swept, images.sweeps, probes, angle_latents, labels)
        measures = resting(found, *images.warnings)
        return Evidence(measures, response.section(measures, labels))

    def recognise() -> Evidence:
        measures = resting(recognition.measure(images.gallery, images.sought, angle_latents, labels, images.others))
        if images.reference is not None:
            measures["reference"] = dict(images.reference)
        return Evidence(measures, recognition.section(measures, labels))

    def disentangle() -> Evidence:
        measures = resting(disentanglement.measure(probes, angle_latents, labels))
        return Evidence(measures, disentanglement.section(measures))

    def group() -> Evidence:
        measures = resting(groups.measure(probes, angle_latents, labels, parts))
        return Evidence(measures, groups.section(measures))

    def infer() -> Evidence:
        if isinstance(drawn, str):
            return _skipped(drawn)
        if drawn.simulations is None:
            return _skipped("--simulations 0 asks for none")
        measures, posteriors = inference.measure(drawn.simulations, drawn.observed, data.ranges, drawn.parts)
        return Evidence(measures, inference.section(measures, posteriors))

    measured = (sweeps, novel, look, clamp, answer, recognise, disentangle, group, infer)
    return dict(zip(KINDS, measured, strict=True))
