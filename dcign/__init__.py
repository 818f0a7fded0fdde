"""The model: graphics code, networks, clamped SGVB, training, evaluation. Never imports OpenGL.

For a notebook: `engine = dcign.load("run")`, see `dcign.engine.engine.Engine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcign.engine.engine import Engine, load

    __version__: str

__all__ = ["Engine", "__version__", "load"]
NOT_INSTALLED = "0+not-installed"  # the version of a checkout that is only on the path


def __getattr__(name: str) -> Any:
    """Import `Engine` and `load` when first asked for: `import dcign` alone stays light and never loads torch."""
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("dcign")
        except metadata.PackageNotFoundError:
            return NOT_INSTALLED
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dcign.engine import engine

    return getattr(engine, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
