"""What a budget can recover, before any call."""
