"""The one progress bar: what is done, its rate and the time left, on standard error."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(label: str, total: int, unit: str, **options: Any) -> tqdm:
    """A bar for `total` things called `unit`; in a log file it prints a line about every 30 seconds."""
    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total, desc=label, unit=unit, mininterval=interval, maxinterval=interval, dynamic_ncols=True, **options
    )
