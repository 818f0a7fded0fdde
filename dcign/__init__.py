"""The model: graphics code, networks, clamped SGVB, training, evaluation. Never imports OpenGL.

For a notebook: `engine = dcign.load("run")`, see `dcign.engine.engine.Engine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcign.engine.engine import Engine, load

__all__ = ["Engine", "load"]


def __getattr__(name: str) -> Any:
    """`Engine` and `load`, imported when first asked for: `import dcign` alone stays light and never loads torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dcign.engine import engine

    return getattr(engine, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
