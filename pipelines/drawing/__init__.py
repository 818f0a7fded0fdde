"""All that is drawn beyond `dcign render`: sheets, single objects, and the views of an evaluation."""
