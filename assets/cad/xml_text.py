"""XML within limits: no declarations of entities, no endless nesting; and the numbers in the text of its elements."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from assets.cad.number_text import parse_numbers
from assets.errors import AssetError

Element = ElementTree.Element

LARGEST_FILE = 128 * 2**20  # bytes
MOST_ELEMENTS = 1_000_000
DEEPEST_ELEMENT = 256  # elements inside elements


def parse_xml(data: bytes) -> Element:
    """Parse XML into its root element; names are without their namespace. Raises AssetError for anything but plain XML.

    Document types are refused: a model needs none, and entities declared there can grow without bound, or name other
    files.
    """
    if len(data) > LARGEST_FILE:
        raise AssetError(f"expected at most {LARGEST_FILE} bytes of XML, found {len(data)}")
    builder = ElementTree.TreeBuilder()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST_ELEMENT or count > MOST_ELEMENTS:
            raise AssetError(f"expected at most {MOST_ELEMENTS} elements, {DEEPEST_ELEMENT} deep, found more")
        builder.start(name.rpartition(" ")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise AssetError("expected XML without a document type, found one")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise AssetError(f"expected XML, found: {error}") from None


def child(element: Element | None, *names: str) -> Element | None:
    """Return the first element down the path `names`, if there is one."""
    for name in names:
        element = None if element is None else element.find(name)
    return element


def text(element: Element | None) -> str:
    """Return the text of `element`, stripped; '' for none."""
    return "" if element is None else (element.text or "").strip()


def local(reference: str | None) -> str:
    """Return the id that a reference such as '#chair' names."""
    return (reference or "").rpartition("#")[2]


def floats(element: Element | None, optional: bool = False) -> NDArray[np.float64]:
    """Parse the numbers in the text of `element`; if `optional`, NaN for what is none."""
    return parse_numbers(text(element).encode(), np.float64, _inside(element), optional=optional)


def integers(element: Element | None) -> NDArray[np.int64]:
    """Parse the whole numbers in the text of `element`."""
    return parse_numbers(text(element).encode(), np.int64, _inside(element))


def children(element: Element | None, *names: str) -> Iterator[Element]:
    """Iterate over the elements called one of `names` directly below `element`, in their order."""
    return (below for below in (() if element is None else element) if below.tag in names)


def _inside(element: Element | None) -> str:
    return f"numbers in <{'' if element is None else element.tag}>"
