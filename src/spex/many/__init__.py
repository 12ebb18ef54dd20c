"""Many explanations in one run: one model, batches of several items, one table, one index page."""
