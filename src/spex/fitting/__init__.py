"""From evaluated masks to one spectrum: folds, selection among surrogates, R2, learning curves."""
