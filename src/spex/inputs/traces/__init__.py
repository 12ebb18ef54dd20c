"""Traces of a model that works in several steps: reasoning, and the calls of an agent."""
