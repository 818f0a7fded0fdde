"""Recipes for `dcign run`: those that ship, and the reader of them all."""
