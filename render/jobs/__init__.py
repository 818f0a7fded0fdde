"""Render jobs: their shards, the processes that draw them, on this machine or on a cluster."""
