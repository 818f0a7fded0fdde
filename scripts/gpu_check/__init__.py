"""`scripts/gpu-check`: each part is a file, or shares one, and a process with a time limit of its own."""
