"""`dcign import NAME`: the public collections of images in which one known thing changes, read as they are published.

Where a user gets each, under what licence, and how its factors are read: docs/collections.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.commands.import_job import SKIP, Command, import_labelled_images, import_options

MANY = 500  # mini-batches of each factor and split, from collections that give tens of thousands
PATH = click.argument("path", type=click.Path(path_type=Path))


def add_to(group: click.Group) -> None:
    """Add a command for each collection to `dcign import`."""
    for command in (smallnorb, shapes3d, dsprites, mpi3d, cars3d, yale_b):
        group.add_command(command)


def _command(name: str, *options: Callable[[Command], Command]) -> Callable[[Command], click.Command]:
    """Make a command that takes PATH, `options` and those of every import."""

    def made(function: Command) -> click.Command:
        decorators: list[Callable[[Command], Command]] = [PATH, *options, import_options(MANY)]
        for decorator in reversed(decorators):
            function = decorator(function)
        return click.command(name, context_settings={"show_default": True})(function)

    return made


def _identity(*default: str) -> Callable[[Command], Command]:
    """Make the option that says which of a collection's factors make up the identity."""
    return click.option(
        "--identity", metavar="FACTOR,FACTOR", default=",".join(default), callback=_words,
        help="The factors that make up the identity; all others are labels, each with mini-batches of its own.",
    )  # fmt: skip


def _words(context: click.Context, option: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@_command(
    "smallnorb",
    click.option(
        "--camera", type=click.Choice(["left", "right"]), default="left", help="Which of each pair of images."
    ),
)
def smallnorb(path: Path, camera: Any, **job: Any) -> None:
    """Import small NORB: photographs of 50 toys from 162 directions under 6 lightings.

    PATH is the folder of the six files smallnorb-5x...-dat.mat.gz, -cat and -info, gzipped or unpacked. Factors are
    azimuth, elevation (degrees), lighting (a category) and intrinsic (toys); its own split by toys is kept.

    From https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/, for research, not to be sold.

    \b
    Example:
      dcign import smallnorb norb-v1.0-small/ -o toys
    """
    from render.imports.collections.smallnorb import open_smallnorb

    import_labelled_images(open_smallnorb(path, camera), **job)


@_command("shapes3d", _identity("floor_hue", "wall_hue", "object_hue", "object_shape"))
def shapes3d(path: Path, identity: tuple[str, ...], **job: Any) -> None:
    """Import 3D Shapes: 480,000 drawings of a solid in a room.

    PATH is 3dshapes.h5. Factors are scale, orientation (degrees) and intrinsic; of floor_hue, wall_hue, object_hue and
    object_shape those that --identity leaves out. Hues go around from 0 to 1, and can hardly be told in grey.

    From https://github.com/google-deepmind/3d-shapes, Apache License 2.0.

    \b
    Example:
      dcign import shapes3d 3dshapes.h5 -o rooms
    """
    from render.imports.collections.shapes3d import open_shapes3d

    import_labelled_images(open_shapes3d(path, identity), **job)


@_command("dsprites", _identity("object_shape", "scale"))
def dsprites(path: Path, identity: tuple[str, ...], **job: Any) -> None:
    """Import dSprites: 737,280 drawings of a square, ellipse or heart.

    PATH is dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz. Factors are orientation (degrees), x, y (0 to 1) and
    intrinsic; of object_shape and scale those that --identity leaves out. A square looks the same every 90 degrees, an
    ellipse every 180.

    From https://github.com/google-deepmind/dsprites-dataset, Apache License 2.0.

    \b
    Example:
      dcign import dsprites dsprites.npz --identity object_shape -o sprites
    """
    from render.imports.collections.dsprites import open_dsprites

    import_labelled_images(open_dsprites(path, identity), **job)


@_command("mpi3d", _identity("object_color", "object_shape", "object_size"))
def mpi3d(path: Path, identity: tuple[str, ...], **job: Any) -> None:
    """Import MPI3D: an object on a robot's arm, drawn or filmed, 1,036,800 images; 460,800 of complex objects.

    PATH is mpi3d_toy.npz, mpi3d_realistic.npz, mpi3d_real.npz or that of the complex objects. Factors are
    camera_height, background_color (categories), horizontal_axis, vertical_axis (steps from 0 to 39) and intrinsic; of
    object_color, object_shape and object_size those that --identity leaves out.

    From https://github.com/rr-learning/disentanglement_dataset, CC BY 4.0.

    \b
    Example:
      dcign import mpi3d mpi3d_real.npz -o robot
    """
    from render.imports.collections.mpi3d import open_mpi3d

    import_labelled_images(open_mpi3d(path, identity), **job)


@_command("cars3d", SKIP)
def cars3d(path: Path, **job: Any) -> None:
    """Import Cars3D: drawings of 183 cars from 24 azimuths and 4 elevations.

    PATH is the folder of the files ..._mesh.mat, which is data/cars in the archive nips2015-analogy-data.tar.gz, or the
    one above it. Factors are azimuth (degrees), elevation (a step from 0 to 3) and intrinsic (cars).

    From http://www.scottreed.info; no licence is stated.

    \b
    Example:
      dcign import cars3d data/cars -o cars
    """
    from render.imports.collections.cars3d import open_cars3d

    import_labelled_images(open_cars3d(path), **job)


@_command("yale-b", SKIP)
def yale_b(path: Path, **job: Any) -> None:
    """Import the (Extended) Yale Face Database B: 38 people, each lit from 64 directions.

    PATH is the folder of the pictures yaleB11_P00A-005E+10.pgm and so on, or one above it, as CroppedYale. Factors are
    light, light_elevation (degrees), pose (a category, where there are several) and intrinsic (people). Pictures of
    ambient light, and those called .bad, are passed over.

    From http://vision.ucsd.edu/~leekc/ExtYaleDatabase/ExtYaleB.html, for research.

    \b
    Example:
      dcign import yale-b CroppedYale/ --crop none -o people
    """
    from render.imports.collections.yale_b import open_yale_b

    import_labelled_images(open_yale_b(path), **job)
