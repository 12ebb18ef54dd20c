"""Measuring explanations: how faithful they are, and how other methods do on the same model."""
