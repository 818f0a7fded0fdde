"""Shards and their manifest, the contract between rendering and training: written, read, stored, verified."""
