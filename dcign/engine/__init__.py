"""Using a trained run: codes, calibrated factors, variations of a code, and `dcign.load` for notebooks."""
