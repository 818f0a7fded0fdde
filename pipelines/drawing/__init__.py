"""Everything that draws with the renderer outside `dcign render`: sheets, single objects, an evaluation's views."""
