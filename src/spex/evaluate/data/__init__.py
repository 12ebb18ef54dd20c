"""Data: files and data sets, row by row, as inputs with units, scores and annotations."""
