"""For all tests."""

import signal
from collections import Counter

from hypothesis import settings

# The first example of a property may load a library, on a machine that does other things as well.
settings.register_profile("spex", deadline=None)
settings.load_profile("spex")

# What a shell starts in the background ignores Ctrl-C, as do all its children: tests of it would
# wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Long files first: where processes take whole files, one that begins late ends alone.

    A slow test counts as its `seconds`, 3 by default, which is about what it takes.
    """
    length = Counter()
    for item in items:
        slow = item.get_closest_marker("slow")
        length[item.path] += slow.kwargs.get("seconds", 3) if slow else 0.1
    items.sort(key=lambda item: -length[item.path])
