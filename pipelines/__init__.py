"""What a person runs: the `dcign` command, its recipes and the demo."""
