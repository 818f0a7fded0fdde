"""Images in and out: files of any kind read as grey squares, rows of images drawn, movies written."""
