"""Rendering: factors, scenes, GL renderers, and the shards they write. Never imports torch."""
