from __future__ import annotations

import numpy as np
from PIL import Image

from vqaserve.cache import Cache, nbytes


def test_the_least_recently_used_value_is_dropped_first():
    cache: Cache[str] = Cache(2)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")


def test_the_limit_is_the_total_of_all_sizes():
    cache: Cache[bytes] = Cache(10, len)
    cache.put("a", b"x" * 6)
    cache.put("b", b"x" * 6)
    assert cache.get("a") is None
    assert cache.counters == {"hits": 0, "misses": 1, "size": 6, "limit": 10}


def test_a_value_over_the_whole_limit_is_not_kept_and_drops_no_other():
    cache: Cache[bytes] = Cache(10, len)
    cache.put("a", b"x" * 6)
    cache.put("b", b"x" * 60)
    assert cache.get("a") is not None
    assert cache.get("b") is None


def test_a_limit_of_zero_keeps_nothing():
    cache: Cache[str] = Cache(0)
    cache.put("a", "A")
    assert cache.get("a") is None


def test_bytes_are_counted_inside_containers():
    array = np.zeros(10, dtype=np.float32)
    assert nbytes(array) == 40
    assert nbytes([array, {"more": (array,)}]) == 80
    assert nbytes(Image.new("RGB", (4, 3))) == 36
