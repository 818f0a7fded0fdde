"""The materials of a COLLADA file: the diffuse colour or texture of an effect (profile_COMMON), and its opacity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assets.archives import FileTree
from assets.dae_xml import Element, child, children, floats, local, text
from assets.parts import Material
from assets.textures import Textures

_MODELS = ("phong", "lambert", "blinn", "constant")


class Materials:
    """Materials by id, each with its texture decoded, and the name of the texture coordinates that it asks for."""

    def __init__(self, root: Element, tree: FileTree, name: str) -> None:
        self.tree, self.name = tree, name
        self.textures = Textures(tree)
        self.ids = {
            (kind, element.get("id", "")): element
            for kind in ("material", "effect", "image")
            for element in root.iter(kind)
            if element.get("id")
        }
        self.known: dict[str, tuple[Material, str]] = {}

    def __getitem__(self, material: str) -> tuple[Material, str]:
        if material not in self.known:
            self.known[material] = self._read(material)
        return self.known[material]

    def _read(self, material: str) -> tuple[Material, str]:
        instance = child(self.ids.get(("material", material)), "instance_effect")
        effect = self.ids.get(("effect", local(None if instance is None else instance.get("url"))))
        profile = child(effect, "profile_COMMON")
        shader = next(children(child(profile, "technique"), *_MODELS), None)
        written = Material(material, opacity=_opacity(shader))
        diffuse = child(shader, "emission" if shader is not None and shader.tag == "constant" else "diffuse")
        colour = floats(child(diffuse, "color"))
        if len(colour) >= 3 and np.isfinite(colour).all():
            return replace(written, colour=tuple(np.clip(colour[:3], 0.0, 1.0).tolist())), ""
        texture = child(diffuse, "texture")
        if texture is None:
            return written, ""
        reference = image_file(self.ids.get(("image", self._image(profile, texture.get("texture", "")))))
        found = self.tree.find(reference, beside=self.name)
        image = self.textures.file(found) if found else None
        return replace(written, texture=reference, image=image), texture.get("texcoord", "")

    def _image(self, profile: Element | None, sampler: str) -> str:
        """The id of the image behind a sampler: through a surface in COLLADA 1.4, at once in 1.5."""
        parameters = {parameter.get("sid", ""): parameter for parameter in children(profile, "newparam")}
        sampled = child(parameters.get(sampler), "sampler2D")
        instance = child(sampled, "instance_image")
        if instance is not None:
            return local(instance.get("url"))
        surface = child(parameters.get(text(child(sampled, "source"))), "surface")
        return text(child(surface, "init_from")) or sampler


def image_file(image: Element | None) -> str:
    """The reference of an <image> to its file, '' for none."""
    begin = child(image, "init_from")
    reference = text(begin) or text(child(begin, "ref"))
    return reference.removeprefix("file://")


def _opacity(shader: Element | None) -> float:
    """COLLADA's transparent colour times transparency: its alpha, or one minus its mean for RGB_ZERO."""
    transparent = child(shader, "transparent")
    colour, factor = floats(child(transparent, "color")), floats(child(shader, "transparency", "float"))
    if transparent is None or len(colour) != 4 or not np.isfinite(colour).all():
        return 1.0
    share = float(factor[0]) if len(factor) and np.isfinite(factor[0]) else 1.0
    if transparent.get("opaque", "A_ONE") == "RGB_ZERO":
        return 1.0 - float(colour[:3].mean()) * share
    return float(colour[3]) * share
