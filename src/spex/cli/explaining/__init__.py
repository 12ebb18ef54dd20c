"""`spex explain`: its options, and how they are carried out."""
