"""The report of a run and the comparison of several, as JSON and as HTML pages."""
