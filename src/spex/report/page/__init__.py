"""What the HTML page shows of an explanation or of a comparison, computed before it is printed."""
