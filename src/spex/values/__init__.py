"""Evaluating masks: value functions, batches, the sample store and progress."""
