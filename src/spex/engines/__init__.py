"""Where masks are evaluated: elsewhere than in this process."""
