"""For all tests."""

from hypothesis import settings

# The first example of a property may load a library, on a machine that does other things as well.
settings.register_profile("spex", deadline=None)
settings.load_profile("spex")
