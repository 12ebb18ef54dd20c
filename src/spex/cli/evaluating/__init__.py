"""`spex evaluate`: measure explanations on data, for your own model."""
