"""Wavefront MTL: the colours, opacities and textures of materials, and the libraries that an OBJ file names."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from assets.archives import FileTree
from assets.cad.parts import MOST_PARTS, Material
from assets.cad.text import plain_text, words_of
from assets.cad.textures import Textures
from assets.errors import AssetError

LARGEST_MTL = 16 * 2**20  # bytes
MOST_LIBRARIES = 1000  # `mtllib` lines
MOST_WORDS = 50  # of one `mtllib` line that are tried as names with spaces

# Option of a texture -> how many numbers or words follow it at most
_OPTIONS = {
    "-s": 3, "-o": 3, "-t": 3, "-mm": 2, "-bm": 1, "-boost": 1, "-texres": 1,
    "-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-imfchan": 1, "-type": 1, "-colorspace": 1,
}  # fmt: skip
_NUMERIC = ("-s", "-o", "-t", "-mm", "-bm", "-boost", "-texres")
_BEHIND = re.compile(rf"(?:\s+(?:{'|'.join(_OPTIONS)})(?:\s+(?:on|off|[-+.\d]+)){{1,3}})+$")
_SEVERAL = re.compile(r"\.mtl\s", re.IGNORECASE)  # a name ends here, and another begins
_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True)
class TextureMap:
    """A `map_Kd` line: the file as written, and how its pixels are laid over the surface.

    scale, offset  of u and v: u' = scale u + offset
    levels         base and gain: what is drawn is base + gain x the pixel
    """

    file: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    levels: tuple[float, float] = (0.0, 1.0)
    clamped: bool = False


Materials: TypeAlias = dict[str, tuple[Material, "TextureMap | None"]]


def read_materials(tree: FileTree, name: str, text: bytes, textures: Textures, remarks: list[str]) -> Materials:
    """Read name -> material, its texture decoded, from the libraries that the OBJ file `name` of `text` mentions.

    Of two materials of one name the first counts. What is missing goes to `remarks`.
    """
    materials: Materials = {}
    for library in material_libraries(tree, name, text, remarks):
        for key, (material, texture) in parse_mtl(tree.read(library)).items():
            if key not in materials:
                materials[key] = _textured(material, texture, tree, library, textures), texture
    return materials


def mtl_references(tree: FileTree, name: str, text: bytes) -> list[str]:
    """List the files in `tree` that the OBJ file `name` of `text` uses: material libraries and their textures."""
    used = []
    for library in material_libraries(tree, name, text, []):
        maps = (texture for _, texture in parse_mtl(tree.read(library)).values() if texture)
        used += [library, *(t for t in (_find(tree, texture.file, library) for texture in maps) if t)]
    return used


def material_libraries(tree: FileTree, name: str, text: bytes, remarks: list[str]) -> list[str]:
    """List the files of the `mtllib` lines; each names one or several, whose names may hold spaces.

    Where none of them is there, the library that is called as the model stands in.
    """
    found: list[str] = []
    missing: list[str] = []
    for written in itertools.islice(_mtllib_lines(text), MOST_LIBRARIES):
        here, gone = _split_names(tree, name, written)
        found += here
        missing += gone
    stands_in = None
    if missing and not found:
        stands_in = tree.find(posixpath.splitext(posixpath.basename(name))[0] + ".mtl", beside=name)
    said = f"; {posixpath.basename(stands_in)}, called as the model, stands in" if stands_in else ""
    remarks += [f"material library {gone[:200]} is missing{said}" for gone in dict.fromkeys(missing)]
    return [stands_in] if stands_in else list(dict.fromkeys(found))


def _mtllib_lines(text: bytes) -> Iterator[str]:
    """Yield the text after each `mtllib` that begins a line."""
    at = text.find(b"mtllib")
    while at >= 0:
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        before = text[max(at - 100, 0) : at].rpartition(b"\n")[2]
        if not before.strip() and text[at + 6 : at + 7].isspace():
            yield words_of(text[at + 6 : end]).strip()
        at = text.find(b"mtllib", end)


def _split_names(tree: FileTree, name: str, written: str) -> tuple[list[str], list[str]]:
    """Return the files that a `mtllib` line names, and the names that are missing."""
    words = re.split(r"(?<!\\)\s+", _COMMENT.sub("", written))[:MOST_WORDS]  # blanks of a name may be escaped
    found = [_find(tree, word, name) for word in words]
    if not all(found):
        whole = None if _SEVERAL.search(written) else _find(tree, written, name)
        if whole:
            return [whole], []
    names, missing, at, lost = [], [], 0, ""
    while at < len(words):
        end, known = at + 1, found[at]
        if not known:  # the longest name from here that is there
            longer = ((to, " ".join(words[at:to])) for to in range(len(words), at + 1, -1))
            there = ((to, _find(tree, each, name)) for to, each in longer if not _SEVERAL.search(each))
            end, known = next(((to, file) for to, file in there if file), (end, None))
        lost = "" if known else f"{lost} {words[at]}".strip()
        if known:
            names.append(known)
        elif lost.lower().endswith(".mtl") or end == len(words) or found[end]:
            missing.append(lost)
            lost = ""
        at = end
    return names, [name for name in missing if name]


def _find(tree: FileTree, reference: str, beside: str) -> str | None:
    """Find a file that an OBJ or MTL names, also with escaped blanks or a comment behind it."""
    spellings = (reference, reference.replace("\\ ", " "), _COMMENT.sub("", reference))
    return next((file for file in (tree.find(each, beside) for each in dict.fromkeys(spellings)) if file), None)


def _textured(
    material: Material, texture: TextureMap | None, tree: FileTree, library: str, textures: Textures
) -> Material:
    """Give the material the pixels of its texture, or the reason why it has none."""
    if texture is None:
        return material
    file = _find(tree, texture.file, library)
    image, fault = textures.file(file) if file else (None, f"texture {texture.file[:200]} is missing")
    base, gain = texture.levels
    if image is not None and (base, gain) != (0.0, 1.0):
        image = np.clip(np.rint(255 * base + gain * image.astype(np.float32)), 0, 255).astype(np.uint8)
    return replace(material, image=image, fault=fault)


def parse_mtl(text: bytes) -> Materials:
    """Parse name -> material and its texture, both as written. Lines that make no sense are skipped.

    A texture of ambient light (`map_Ka`) counts where there is none of diffuse light.
    """
    if len(text) > LARGEST_MTL:
        raise AssetError(f"expected at most {LARGEST_MTL} bytes of materials, found {len(text)}")
    materials: dict[str, Material] = {}
    diffuse: dict[str, TextureMap] = {}
    ambient: dict[str, TextureMap] = {}
    name, stated = None, set()  # `stated`: materials with a `d` line, which counts more than `Tr`: some write both as 1
    for line in words_of(plain_text(text)).split("\n"):
        words = line.split()
        key = words[0].lower() if words else ""
        if key == "newmtl":
            name = line.strip()[len(key) :].strip()
            materials[name] = Material(name)
            for maps in (diffuse, ambient):
                maps.pop(name, None)
            if len(materials) > MOST_PARTS:
                raise AssetError(f"expected at most {MOST_PARTS} materials, found more")
        elif name is None or len(words) < 2:
            continue
        elif key == "kd" and (colour := _numbers(words[1:4])):
            materials[name] = replace(materials[name], colour=tuple((colour * 3)[:3]))  # a lone number is a grey
        elif key == "d" and (opacity := _numbers(words[-1:])):
            materials[name] = replace(materials[name], opacity=opacity[0])
            stated.add(name)
        elif key == "tr" and name not in stated and (clearness := _numbers(words[-1:])):
            materials[name] = replace(materials[name], opacity=1.0 - clearness[0])
        elif key in ("map_kd", "map_ka"):
            texture = parse_map(line.strip()[len(key) :].strip())
            (diffuse if key == "map_kd" else ambient)[name] = texture
    textures = {name: texture for name, texture in (ambient | diffuse).items() if texture.file}
    return {name: (_with_map(material, textures.get(name)), textures.get(name)) for name, material in materials.items()}


def _with_map(material: Material, texture: TextureMap | None) -> Material:
    if texture is None:
        return material
    return replace(material, texture=texture.file, wrap=("clamp", "clamp") if texture.clamped else material.wrap)


def parse_map(text: str) -> TextureMap:
    """Parse what stands behind `map_Kd`: options such as `-s 1 1 1`, and a file name that may hold spaces."""
    options: dict[str, list[str]] = {}
    behind = _BEHIND.search(text)
    if behind and not text.startswith("-"):
        text, more = text[: behind.start()], behind.group()
    else:
        more = ""
    _take_options(more, options)
    text = _take_options(text, options)
    scale, offset = (_numbers(options.get(key, [])) for key in ("-s", "-o"))
    levels = _numbers(options.get("-mm", []))
    return TextureMap(
        text,
        scale=(*scale[:2], *(1.0, 1.0)[len(scale) :]),  # type: ignore[arg-type]
        offset=(*offset[:2], *(0.0, 0.0)[len(offset) :]),  # type: ignore[arg-type]
        levels=(*levels[:2], *(0.0, 1.0)[len(levels) :]),  # type: ignore[arg-type]
        clamped=options.get("-clamp", ["off"])[0].lower() == "on",
    )


def _take_options(text: str, options: dict[str, list[str]]) -> str:
    """Move the options that `text` begins with to `options`, and return what follows them: the file name."""
    while (match := re.match(r"(-\w+)\s+", text)) and match.group(1).lower() in _OPTIONS:
        option, text = match.group(1).lower(), text[match.end() :]
        options[option] = []
        while len(options[option]) < _OPTIONS[option] and (word := re.match(r"(\S+)(?:\s+|$)", text)):
            if option in _NUMERIC and not _numbers([word.group(1)]):
                break
            options[option].append(word.group(1))
            text = text[word.end() :]
    return text.strip()


def _numbers(words: list[str]) -> list[float]:
    """Parse numbers, whose decimal sign may be a comma; none if one of the words is no finite number."""
    try:
        numbers = [float(word.replace(",", ".")) for word in words]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []
