"""The training loop and what it needs: order of mini-batches, input, measures, log and checkpoints."""
