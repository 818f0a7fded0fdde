"""Chairs: the catalog of chair models, and the built-in ones."""
