"""Predictions of what a budget can recover, before any evaluation."""
