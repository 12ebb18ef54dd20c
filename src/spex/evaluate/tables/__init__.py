"""Results as rows of a file, tables, figures, and a manifest of what made them."""
