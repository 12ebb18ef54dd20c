"""Models of the transformers package, run on this machine."""
