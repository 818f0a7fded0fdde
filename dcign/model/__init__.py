"""The model: graphics code, networks, clamp, objective and one training step, optimisers, devices."""
