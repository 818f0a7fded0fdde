"""Evidence of what a run has learnt, one kind a file: `measure` gives plain data for report.json, `section` shows it.

Each takes arrays that are encoded already. What cannot be measured is None, with a warning that says why.
Letters in shapes: M images, Z latents, K coefficients, S steps of a sweep, O objects.
"""
