"""Using a trained run: codes, calibrated angles, variations of a code, and `dcign.load` for notebooks."""
