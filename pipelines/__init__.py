"""What a person runs: the `dcign` command, and its recipes."""
