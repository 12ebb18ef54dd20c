"""What can be said before anything heavy loads: names and files checked."""
