"""`dcign export RUN -o DIR`: writes a run as ONNX files, with a page that runs them in a browser, and a model card."""

from __future__ import annotations

from pathlib import Path

import click

from dcign.errors import BadInput

CARD = "README.md"
NO_SLIDERS = "This run was not calibrated, so there are no sliders{units}."
NOT_CALIBRATED = (
    "Note: {folder} has no calibration, so the page will have no sliders{units}; `dcign evaluate RUN SHARDS` "
    "stores one."
)


@click.command(name="export", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), required=True,
    help="A new folder, or one of an earlier export, which is replaced.",
)  # fmt: skip
@click.option(
    "--image", "images", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="An image for the page to start from. Repeatable.",
    show_default="some unseen objects, or else test images of the shards",
)  # fmt: skip
@click.option(
    "--assets", metavar="PATH", type=click.Path(path_type=Path), show_default="the built-in model",
    help="The models that RUN was trained on, to draw these objects.",
)  # fmt: skip
@click.option("--name", metavar="TEXT", help="What page and card call it.", show_default="Faces or Chairs")
def command(run: Path, output: Path, images: tuple[Path, ...], assets: Path | None, name: str | None) -> None:
    """Export RUN for use without dcign: encoder.onnx, decoder.onnx, a page with sliders, and a model card.

    The files are checked with onnxruntime against PyTorch. The page, index.html, runs the decoder in the browser: put
    DIR on any web host, or look at it with `python -m http.server -d DIR`. README.md, the model card, says what is
    known of RUN, with its figures where `dcign evaluate` left a report.

    \b
    Example:
      dcign export run/ -o site/
      dcign export run/ -o site/ --image ann.png --name "Faces, 20,000 steps"
    """
    from dcign.engine.variations import sliders_of
    from dcign.export.model_card import limits, model_card
    from dcign.export.onnx_files import (
        DECODER,
        ENCODER,
        check_files,
        decoder_file,
        encoder_file,
        one_thread,
        rounded,
        usage,
    )
    from dcign.report.saved import report_of
    from dcign.runs.run import load_run
    from dcign.runs.training_data import rendering_of
    from pipelines.calibration import load_calibration
    from pipelines.export.folder import check_output, write_folder
    from pipelines.export.page import ENGINE, INDEX, engine_json, index_html, open_starts, pictures, scripts
    from render.shards.labels import DEGREES

    check_output(output)
    if name is not None and any("\ud800" <= letter <= "\udfff" for letter in name):  # what Python could not decode
        raise BadInput(f"--name: expected text in UTF-8, found {name!r}")
    model = load_run(run)
    name = name or f"{model.object}s".capitalize()
    curves, report = load_calibration(model), report_of(model)
    units = " in degrees" if all(label.unit == DEGREES for label in model.labels.values()) else ""
    if curves is None:
        click.echo(NOT_CALIBRATED.format(folder=model.folder, units=units), err=True)
    known = rendering_of(model)
    with one_thread():
        encoder, decoder = encoder_file(model), decoder_file(model)
        differences = check_files(model, encoder, decoder)
        first = open_starts(model, images, assets)
    sliders = () if curves is None else sliders_of(model, curves)
    files = {ENCODER: encoder, DECODER: decoder, **scripts(), **pictures(first)}
    use = usage(model, sliders, differences, sum(start.pixels is not None for start in first))
    settings = None if known is None else known.manifest.settings
    files[CARD] = model_card(model, curves, report, name=name, rendering=settings, use=use).encode(errors="replace")
    note = "" if curves is not None and curves.curves else NO_SLIDERS.format(units=units)
    files[INDEX] = index_html(model, name, first, report, list(limits(model, curves, report)), note, files)
    files[ENGINE] = engine_json(model, name, sliders, first, report, files)
    write_folder(output, files)
    shown = ", ".join(f"{which} {rounded(difference)}" for which, difference in differences.items())
    click.echo(f"Largest difference from PyTorch: {shown}")
    click.echo(f"{output}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB")
    click.echo(f"Look: python -m http.server -d {output}, then http://localhost:8000/")
