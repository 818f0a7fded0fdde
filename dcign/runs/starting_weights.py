"""The weights of another run that a training begins with: `dcign train --start-from`.

A run records them by their name if they ship with dcign, else by their path from its own folder, so that both may be
moved together, or be asked for from another working folder. They are read once: a run that has a checkpoint goes on
from it, and the other one may be gone.
"""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor

from dcign.config import WIDTHS, TrainConfig, setting_text
from dcign.errors import RunError
from dcign.runs.checkpoint import Header
from dcign.runs.run import read_trained
from dcign.runs.shipped import find_run, shipped_names


def recorded_start(asked: str, folder: Path) -> str:
    """Write the run that was asked for, a path or a name of weights that ship, as the run in `folder` records it."""
    return asked if asked in shipped_names() else Path(os.path.relpath(asked, folder)).as_posix()


def start_path(recorded: str, folder: Path) -> Path:
    """Return the path, or name, of what the run in `folder` has recorded: the inverse of `recorded_start`."""
    return Path(recorded if recorded in shipped_names() else os.path.normpath(folder / recorded))


def read_starting_weights(start: Path, header: Header) -> tuple[Header, dict[str, Tensor]]:
    """Read header and weights to use of the run `start`, for a new run of this `header` to begin with.

    RunError if it cannot be read, or if its network, image size or graphics code is another. The images may show
    something else: of the graphics code only names and widths count. The new run may be deeper.
    """
    found, weights = read_trained(find_run(start))
    was, wanted = found.config, header.config
    if (was.network, was.widths) != (wanted.network, wanted.widths) or was.depth > wanted.depth:
        raise RunError(
            f"{start}: network {_network(was)}, but this run has {_network(wanted)}; ask for {_options(was, wanted)}"
        )
    if found.size != header.size:
        raise RunError(
            f"{start}: images of {found.size} x {found.size} pixels, but those of this run have {header.size} x "
            f"{header.size}; take shards of that size"
        )
    if found.layout.parts != header.layout.parts:
        raise RunError(
            f"{start}: graphics code {found.layout}, but this run has {header.layout}; ask for `code={found.layout}`"
        )
    return found, weights


def _network(config: TrainConfig) -> str:
    depth = f", depth {config.depth}" if config.depth > 1 else ""
    return f"{config.network} {setting_text('widths', config.widths)}{depth}"


def _options(was: TrainConfig, wanted: TrainConfig) -> str:
    """Name the settings that give the network of `was`, of its depth at least; without widths where both are usual."""
    named = [f"`network={was.network}`"] if was.network != wanted.network else []
    if any(config.widths != WIDTHS[config.network] for config in (was, wanted)):
        named.append(f"`widths={setting_text('widths', was.widths)}`")
    if was.depth > wanted.depth:
        named.append(f"`depth={was.depth}`")
    return " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
