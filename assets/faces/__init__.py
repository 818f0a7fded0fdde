"""Faces: the catalog of faces, readers of morphable face models, albedo for those without, level of detail."""
