"""Limits of cost, and a source that stops before it exceeds one."""
