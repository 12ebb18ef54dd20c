"""The parts of `spex.Run`: masks told, the stages of masks asked for, and the fits."""
