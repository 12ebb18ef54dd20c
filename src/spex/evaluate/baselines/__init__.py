"""Other methods of attribution, each by its own package, with every evaluation counted."""
