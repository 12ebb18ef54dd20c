"""`spex explain`: its options, and what they ask for, done."""
