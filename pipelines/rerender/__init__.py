"""The parts of `dcign rerender`: the request, the plan for a run, images in, pictures out, the truth beside them."""
