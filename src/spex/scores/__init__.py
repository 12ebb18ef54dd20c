"""What is measured of a model's answer: one number per prompt."""
