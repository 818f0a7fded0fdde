"""Importers: images that others rendered, turned into shards."""
