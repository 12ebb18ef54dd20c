"""Maskers: they split an input into features and leave some of them out."""
