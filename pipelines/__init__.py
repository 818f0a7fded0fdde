"""The `dcign` command: its sub-commands, its recipes, its pages and its benchmarks."""
