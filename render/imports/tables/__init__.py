"""Tables of labelled images: CSV files, JSON lines, and folders whose file names hold the labels."""
