"""The calibration of a run, as commands use it: loaded with a warning if it is out of date, and to judge images by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dcign.engine.calibration import Calibration
    from dcign.runs.run import Run


def stored_calibration(run: Run) -> Calibration | None:
    """Return the calibration beside a run, or None if `dcign evaluate` has not been run. RunError for a damaged one."""
    from dcign.engine import calibration

    return calibration.load(run.folder) if calibration.is_calibrated(run) else None


def load_calibration(run: Run, needed: bool = False) -> Calibration | None:
    """Return the same, and warn on standard error if it is of other weights. RunError if it is `needed` and missing."""
    from dcign.engine import calibration

    if not needed and not calibration.is_calibrated(run):
        return None
    return calibration.load_for(run, lambda line: click.echo(f"Warning: {line}.", err=True))


def encode_and_judge(
    run: Run, curves: Calibration, pixels: NDArray[np.float32]
) -> tuple[NDArray[np.float32], str | None]:
    """Encode an image (H, W) in [0, 1] as (Z,), with a warning if it is unlike what the run was tested on.

    That is, if the run reconstructs it worse than nearly all of its test images.
    """
    from dcign.engine import codes

    found, (warning,) = codes.encode_and_judge(run, pixels[None], curves.reconstruction)
    return found[0], warning
