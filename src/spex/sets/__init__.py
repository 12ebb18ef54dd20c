"""Sets of features: those whose removal or presence changes a spectrum or a model most."""
