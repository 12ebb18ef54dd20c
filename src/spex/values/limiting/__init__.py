"""What a call may cost, and a source that stops before it costs more."""
