"""Long inputs: coarse units first, then finer ones inside those that matter."""
