"""Surrogates: ways of fitting a sparse Fourier spectrum to evaluated masks.

A surrogate is a frozen object with its options and one method, `fit(samples, folds) -> Fitted`.
"""
