"""The files of the pages with sliders, the explorer and the exported one: HTML, styles, scripts, and what they load."""
