"""Reports of an explanation: plain text, terminal, HTML page, figure.

Each takes an `Explanation` and reads nothing else: no model, no store, no clock.
"""
