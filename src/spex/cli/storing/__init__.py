"""The commands of `spex store`."""
