"""What `dcign export` writes: the static page, and a folder that appears whole."""
