"""Training runs on disk: folder, checkpoints, training data, and how one is opened or listed."""
