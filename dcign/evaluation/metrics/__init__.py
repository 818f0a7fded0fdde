"""Metrics: pure functions of arrays, without a model or files; random numbers come from a generator that is handed in.

Values that cannot be computed are `None`, never NaN, and a warning beside them says why.
To add one: a function in the file of its kind, and a line in `dcign.evaluation.measures.measure` or in
`dcign/evaluation/evidence/`.
Letters in shapes: M images of the whole set, Z latents, B mini-batches, N images of one, H and W pixels.
"""
