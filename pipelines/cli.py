"""The `dcign` command: a lazily loaded group, so that `dcign render` never imports torch, nor `dcign train` OpenGL."""

from __future__ import annotations

import sys
import traceback

import click

from assets.errors import DcignError
from pipelines.console import LazyGroup, printable, with_options

# name -> (module that defines `command`, one line of help)
COMMANDS = {
    "render": ("pipelines.commands.render", "Render single-factor mini-batches into shards."),
    "assets": ("pipelines.commands.assets", "List, show, check and export face models and chairs."),
    "import": ("pipelines.commands.import_", "Turn images from elsewhere into shards."),
    "preview": ("pipelines.commands.preview", "Draw a labelled sheet of what shards hold."),
    "verify": ("pipelines.commands.verify", "Rehash and recheck every shard; name what is bad."),
    "train": ("pipelines.commands.train", "Train a graphics code from shards with clamped SGVB."),
    "evaluate": ("pipelines.commands.evaluate", "Measure a run on test shards; write report.json and report.html."),
    "rerender": ("pipelines.commands.rerender", "Re-pose, re-light and mix the objects of images."),
    "encode": ("pipelines.commands.encode", "Turn images into graphics codes: JSON, CSV or NPZ."),
    "decode": ("pipelines.commands.decode", "Turn graphics codes back into images."),
    "explore": ("pipelines.commands.explore", "Move the sliders of a run on a local web page."),
    "export": ("pipelines.commands.export", "Write ONNX files, a page that runs them, and a model card."),
    "export-images": ("pipelines.commands.export_images", "Write the images of shards as PNG files with a table."),
    "bench": ("pipelines.commands.bench", "Measure time and memory on this machine."),
    "run": ("pipelines.commands.run", "Render, train and measure by a recipe, start to end."),
    "runs": ("pipelines.commands.runs", "List training runs with their best figures."),
    "compare": ("pipelines.commands.compare", "Set the reports of several runs side by side."),
    "doctor": ("pipelines.commands.doctor", "Say what this machine has, and what to install."),
    "completion": ("pipelines.commands.completion", "Print what makes a shell complete commands and options."),
}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
@click.version_option(package_name="dcign", message="dcign %(version)s")
def group(debug: bool) -> None:
    """Render single-factor image data, train an interpretable graphics code from it, re-render from one image.

    \b
    Example:
      dcign render --factor all --n 12000
      dcign train shards/
    """


def main() -> None:
    """Run `dcign`: an error is one line, bad input exits 2 and a failure 1, a traceback comes only with --debug."""
    debug = "--debug" in sys.argv[1:]
    arguments = [word for word in sys.argv[1:] if word != "--debug"]  # allowed before and after the sub-command
    try:
        sys.exit(group(args=arguments, standalone_mode=False))
    except click.exceptions.Abort:
        _stop("Interrupted. Run the same command again to resume.", 130, debug)
    except KeyboardInterrupt:
        _stop("Interrupted. Run the same command again to resume.", 130, debug)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"Try '{error.ctx.command_path} --help' for help.", err=True)
        _stop(f"Error: {error.format_message()}", 2, debug)
    except DcignError as error:
        _stop(f"Error: {with_options(error)}", error.exit_code, debug)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        _stop(f"Error: {error.filename or 'I/O'}: {error.strerror or error}", 1, debug)


def _stop(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(printable(message), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
