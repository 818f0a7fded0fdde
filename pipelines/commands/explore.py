"""`dcign explore RUN [OTHER]`: shows a local web page with a run's sliders, the decoded image live."""

from __future__ import annotations

from pathlib import Path

import click

from dcign.config import DEVICES
from dcign.errors import BadInput
from pipelines.console import FIT

PORT = 8150


@click.command(name="explore", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("other", required=False, type=click.Path(path_type=Path))
@click.option(
    "--assets", metavar="PATH", type=click.Path(path_type=Path), show_default="the built-in model",
    help="The models that RUN was trained on, to draw the true picture.",
)  # fmt: skip
@click.option(
    "--shards", metavar="DIR", type=click.Path(path_type=Path),
    show_default="those RUN was trained on, where none can be drawn",
    help="Shards whose test images the page starts from, without true pictures beside them.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, help="Where to listen; 0 picks a free port.")
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 lets other machines in.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@FIT
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="Where the network runs.")
def command(
    run: Path, other: Path | None, assets: Path | None, shards: Path | None, port: int, host: str, show: bool,
    fit: int, device: str,
) -> None:  # fmt: skip
    """Explore RUN on a local web page: an image in, a slider for each factor, the decoded image at once.

    Images come in by upload, drag and drop, or paste, and stay in this machine's memory. Where the models of the
    training data are at hand, the page has unseen objects to start from, and shows the true rendering of the same pose
    and light beside the decoded image, with the error. Else it starts from test images of the shards, if they are still
    there. OTHER is a second run under the same sliders. Ctrl-C ends it.

    \b
    Example:
      dcign explore run/
      dcign explore run/ run-entangled/ --open
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"dcign explore needs the packages starlette and uvicorn, which cannot be used ({error}); "
            "pip install 'dcign[explore]'"
        ) from None
    from pipelines.explore.server import explore

    explore(run, other, assets, shards, port, host, show, fit, device)
