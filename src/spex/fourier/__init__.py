"""From coded masks to a sparse Fourier spectrum: design, transform, decoding.

Everything here is a pure function of arrays: no model, file, clock or progress bar. Randomness
comes from an explicit generator or seed.
"""
