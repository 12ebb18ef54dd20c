"""Interaction indices, read from a spectrum in closed form, and how certain they are."""
