"""Checks of what users give: arguments, masks and values."""
