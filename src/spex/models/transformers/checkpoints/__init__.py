"""The files of a model, found and loaded."""
