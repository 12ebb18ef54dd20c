"""`spex evaluate`: measure explanations on data, for one's own model."""
