"""Linear algebra and error-correcting codes over F2, the field of two elements."""
