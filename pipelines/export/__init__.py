"""The files that `dcign export` writes: the static page, and the folder, which appears whole."""
