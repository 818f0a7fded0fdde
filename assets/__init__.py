"""Objects to render: readers of face models and chair models, and the built-in ones. Imports nothing of the project."""
