"""Checks of names and files before anything heavy loads."""
