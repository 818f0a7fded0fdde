"""The terminal side of commands: lazy groups, progress, names of pictures, images from standard input, counts, columns.

Nothing heavy is imported at the top of this file or of a command's: `--help` stays quick.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render.errors import BadInput

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from PIL import Image
    from tqdm import tqdm

STDIN = "-"  # stands for standard input among the names of files
NAME = "stdin"
CUT_OUT = "Find the face in each IMAGE, a photograph, frame its head and put it on black. [dcign[photos]]"
FIT = click.option(
    "--fit", metavar="STEPS", type=click.IntRange(0, 1000), default=0,
    help="Steps that fit the code of each image to it, by the decoder's gradient; 10 are a good number, 0 none.",
)  # fmt: skip
MOST_PIPED = 512 * 2**20  # bytes


class Group(click.Group):
    """A group that shows its help, and exits with 0, when it is called by itself."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)


class LazyGroup(Group):
    """A group whose sub-commands are imported only when they run or show their own help.

    table  name -> (module that defines `command`, one line of help)
    """

    def __init__(self, *words: Any, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*words, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        command = importlib.import_module(self.table[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word not in self.table and not word.startswith("-") and not ctx.resilient_parsing:
            close = " or ".join(repr(name) for name in difflib.get_close_matches(word, self.table))
            ctx.fail(f"No such command {word!r}.{f' Did you mean {close}?' if close else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """List the names that begin so, and this group's own options, without an import of any sub-command."""
        from click.shell_completion import CompletionItem

        lines = {name: line for name, (_, line) in self.table.items() if name.startswith(incomplete)}
        names = [CompletionItem(name, help=line) for name, line in lines.items()]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


class Numbers(click.ParamType):
    """An option of `count` whole numbers between separators, or up to `most`: 96/64/32 or 1:1:1:10."""

    name = "numbers"

    def __init__(self, count: int, separator: str, most: int = 0) -> None:
        self.count, self.separator, self.most = count, separator, most or count

    def text(self, numbers: Sequence[int]) -> str:
        """Write numbers as this type reads them."""
        return self.separator.join(map(str, numbers))

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(self.separator)
        if not self.count <= len(parts) <= self.most or not all(part.isascii() and part.isdigit() for part in parts):
            wanted = self.separator.join("N" * self.count)
            count = str(self.count) if self.most == self.count else f"{self.count} to {self.most}"
            self.fail(f"expected {count} whole numbers as {wanted}, found {value!r}", param, ctx)
        return tuple(int(part) for part in parts)


def progress_bar(label: str, total: int, unit: str, **options: Any) -> tqdm:
    """Make a bar for `total` things called `unit`: what is done, its rate and the time left, on standard error.

    In a log file it prints a line about every 30 seconds.
    """
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total, desc=label, unit=unit, mininterval=interval, maxinterval=interval, dynamic_ncols=True, **options
    )


def picture_format(path: Path) -> str:
    """Tell the format of a picture to be written from the end of its name. BadInput for another than PNG and JPEG."""
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if path.suffix.lower() not in formats:
        raise BadInput(f"-o {path}: expected a name that ends in .png or .jpg")
    return formats[path.suffix.lower()]


def counted(number: int, noun: str, ending: str = "s") -> str:
    """Write a number of things: 1 image, 2 images, 3 mini-batches."""
    return f"{number} {noun}{'' if number == 1 else ending}"


def check_once(names: Sequence[str]) -> None:
    """Raise BadInput if standard input would be read more than once."""
    if names.count(STDIN) > 1:
        raise BadInput("-: expected standard input once, found it for several images")


def piped_image() -> Image.Image:
    """Read and decode the image on standard input, upright.

    BadInput for too many bytes or none at all, RunError for bytes that are no image.
    """
    from dcign.engine.image_files import decode_image

    if sys.stdin is None:
        raise BadInput(f"{NAME}: expected an image from standard input, which is closed")
    content = sys.stdin.buffer.read(MOST_PIPED + 1)
    if len(content) > MOST_PIPED:
        raise BadInput(f"{NAME}: expected an image of at most {MOST_PIPED // 2**20} MiB, found more")
    return decode_image(content, NAME)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format each row as a line of columns; a row may be shorter than the first."""
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def option_name(argument: str) -> str:
    """Write the name of an argument as its option: held_out -> --held-out."""
    return f"--{argument.replace('_', '-')}"


def with_options(message: object) -> str:
    """Turn the arguments in a message, or an error, of the Python API into options: `size=64` -> --size 64."""

    def option(found: re.Match[str]) -> str:
        argument, value = found.groups()
        return option_name(argument) + (f" {value}" if value else "")

    return re.sub(r"`([a-z][a-z_]*)(?:=([^`]*))?`", option, getattr(message, "option_message", str(message)))


def printable(text: str) -> str:
    """Return text from file names and files in one line and safe for a terminal; what cannot be shown is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
