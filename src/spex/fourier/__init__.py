"""From coded masks to a sparse Fourier spectrum: transform, design, decoding, refit.

Everything here is a pure function of arrays; randomness is an explicit generator, and no model,
file, clock or progress bar is known.
"""
