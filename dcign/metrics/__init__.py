"""What is measured, one metric a file. Each is a pure function of arrays: no model, no files, and random numbers only
from a generator that is handed in.

Values that cannot be computed are `None`, never NaN, and a warning beside them says why.
To add one: a new file here with `compute`, and a line in `dcign.evaluation.measures.measure` or in `dcign/evidence/`.
Letters in shapes: M images of the whole set, Z latents, B mini-batches, N images of one, H and W pixels.
"""
