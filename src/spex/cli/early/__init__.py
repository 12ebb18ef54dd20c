"""What can be said and done before anything heavy loads: names checked, values looked up."""
