"""`dcign encode RUN IMAGE... -o codes.json`: turns images into graphics codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from assets.files import check_parent
from dcign.config import DEVICES
from pipelines.console import CUT_OUT, FIT, NAME, STDIN, check_once, counted, piped_image, progress_bar


@click.command(name="encode", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="codes.json, codes.csv or codes.npz."
)
@click.option("--cut-out", is_flag=True, help=CUT_OUT)
@FIT
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(run: Path, images: tuple[str, ...], output: Path, cut_out: bool, fit: int, device: str) -> None:
    """Encode each IMAGE file with a trained RUN into its graphics code: one number for each latent.

    IMAGE is a file of any size and mode, a folder of them, a quoted glob, or - for standard input: the centred square
    is taken, grey and resized. RUN is a folder, of which the newest checkpoint is taken, or a checkpoint. `dcign
    decode` turns codes back into images.

    \b
    Example:
      dcign encode run/ ann.png bob.jpg -o codes.json
      dcign encode run/ faces/ -o codes.csv
    """
    import numpy as np

    from dcign.engine.code_files import CodeFile, check_suffix, write_codes
    from dcign.engine.cut_out import check_cut_out, cut_out_head
    from dcign.engine.engine import AT_ONCE, load
    from dcign.engine.image_files import find_images, read_image

    check_suffix(output)
    check_parent(output)
    names = find_images(images)
    check_once(names)
    shown = tuple(NAME if name == STDIN else name for name in names)
    engine = load(run, device, fit)
    if cut_out:
        check_cut_out(engine.object)
    codes = np.empty((len(names), len(engine.latents)), np.float32)
    with progress_bar("encode", len(names), "image", disable=len(names) <= AT_ONCE) as bar:
        for start in range(0, len(names), AT_ONCE):
            block = names[start : start + AT_ONCE]
            given: list[Any] = [piped_image() if name == STDIN else name for name in block]
            if cut_out:
                pictures = [read_image(Path(each)) if isinstance(each, str) else each for each in given]
                given = [cut_out_head(*pair) for pair in zip(pictures, shown[start:], strict=False)]
            codes[start : start + len(block)], unlike = engine.encode_and_judge(given)
            for number, warning in unlike.items():
                bar.write(f"Warning: {shown[start + number]}: {warning}", file=sys.stderr)
            bar.update(len(block))
    origin = (str(engine.folder), engine.step, engine.fingerprint)
    write_codes(output, CodeFile(codes, engine.latents, shown, *origin))
    click.echo(f"{output}: {counted(len(codes), 'code')} of {codes.shape[1]} latents")
