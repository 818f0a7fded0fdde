"""The model: graphics code, networks, clamped SGVB, training, evaluation. Never imports OpenGL."""
