"""A sample of bad inputs: no traceback, one line of error each, quick. See `fuzz_readers`."""

import importlib.util
from pathlib import Path

PATH = Path(__file__).with_name("fuzz_readers.py")


def test_a_sample_of_bad_inputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path))
    specification = importlib.util.spec_from_file_location("fuzz_readers", PATH)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found = module.fuzz(150, seed=1)
    assert found.failures == []
    assert found.statuses[2] > 100 and found.slowest[0] < 20
