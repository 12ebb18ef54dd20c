"""For all tests."""

import signal

from hypothesis import settings

# The first example of a property may load a library, on a machine that does other things as well.
settings.register_profile("spex", deadline=None)
settings.load_profile("spex")

# What a shell starts in the background ignores Ctrl-C, as do all its children: tests of it would
# wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
