"""`spex app`: explanations in the browser, on this machine alone."""
