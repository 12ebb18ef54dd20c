"""Two explanations side by side: of two prompts, two models or two answers."""
