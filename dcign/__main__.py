"""`python -m dcign`: the command `dcign` of this installation.

The command lies above this package, which imports nothing above it: it is found as its entry point.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points


def main() -> None:
    """Run the entry point `dcign`; exits with a line that says what to do if dcign is not installed."""
    commands = entry_points(group="console_scripts", name="dcign")
    if not commands:
        sys.exit("Error: dcign is not installed here; run `make setup` or `pip install -e .`")
    next(iter(commands)).load()()


if __name__ == "__main__":
    main()
