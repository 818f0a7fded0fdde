"""The built-in head: its mean surface, and its modes of shape, albedo and expression."""
