"""Measuring a trained run on a data set: one encoding pass, its measures, charts and kinds of evidence."""
