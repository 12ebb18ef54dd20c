"""What the prompts of one explanation share: their prefix tree, and attention over it."""
