"""Landmarks as Basel's files name them: JSON or lines of text, in millimetres.

Decimals are shifted as decimals, so that what was written in centimetres is read back to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

LARGEST_TEXT = 2**20  # bytes; the published models have 20 kB
FARTHEST = 1000.0  # centimetres from the origin

Landmarks = dict[str, tuple[float, float, float]]


def landmarks_from_json(text: str) -> Landmarks:
    """Name -> point in centimetres, out of [{"id": name, "coordinates": [x, y, z]}, ...]; leaves out what is not so."""
    try:
        listed = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return {}
    landmarks: Landmarks = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            _add(landmarks, item["id"], item.get("coordinates"))
    return landmarks


def landmarks_from_lines(text: str) -> Landmarks:
    """Name -> point in centimetres, out of lines of a name, perhaps a 0 or 1 for visibility, and x, y, z."""
    landmarks: Landmarks = {}
    for line in text.splitlines():
        name, *columns = line.replace(",", " ").split() or [""]
        if len(columns) > 3 and columns[0] in ("0", "1"):
            columns = columns[1:]
        try:
            _add(landmarks, name, [Decimal(column) for column in columns[:3]])
        except ArithmeticError:
            continue
    return landmarks


def landmarks_as_json(landmarks: Mapping[str, tuple[float, float, float]]) -> str:
    """The JSON of landmarks in centimetres."""
    items = []
    for name, point in landmarks.items():
        x, y, z = (f"{Decimal(repr(float(value))).scaleb(1):f}" for value in point)
        items.append(f'{{"id": {json.dumps(name)}, "coordinates": [{x}, {y}, {z}]}}')
    return f"[{', '.join(items)}]"


def _add(landmarks: Landmarks, name: str, coordinates: Any) -> None:
    """Add a landmark of three decimals in millimetres; anything else is passed over."""
    if not isinstance(coordinates, list) or len(coordinates) != 3:
        return
    if not all(isinstance(value, Decimal) and value.is_finite() for value in coordinates):
        return
    try:
        x, y, z = (float(value.scaleb(-1)) for value in coordinates)
    except ArithmeticError:
        return
    if max(abs(x), abs(y), abs(z)) <= FARTHEST:
        landmarks[name] = (x, y, z)
