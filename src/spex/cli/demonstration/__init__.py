"""`spex demo`."""
