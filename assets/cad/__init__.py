"""CAD models of the user: readers of their formats, and the way from a file to a drawable mesh."""
