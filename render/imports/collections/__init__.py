"""Public collections of images in which one known thing changes, read from their files as published.

Each module has a function `open_...`, from a file or folder to `LabelledImages`, and says which page or paper states
the layout. The files are untrusted: sizes and shapes are checked before anything of that size is allocated, and no
pickle is ever loaded.
"""
