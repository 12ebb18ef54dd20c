"""What is explained: maskers, which split an input into features and leave some of them out."""
