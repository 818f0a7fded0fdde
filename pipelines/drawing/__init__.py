"""Pictures beyond those of `dcign render`: sheets, single objects, and the views of an evaluation."""
