"""What is kept, and for how long."""

from __future__ import annotations

import copy
import pickle
from threading import Thread

from nnlens.utils.cache import Cache


def test_each_is_made_once_while_it_is_among_the_latest_of_its_kind():
    cache, made = Cache(a=4, b=4), []

    def ask(kind: str, number: int) -> int:
        return cache.once(kind, number, make=lambda: made.append((kind, number)) or number)

    for _ in range(3):
        assert [ask("a", number) for number in range(4)] == [0, 1, 2, 3]
    assert len(made) == 4
    ask("b", 0)
    ask("a", 0)  # used again: 1 is now the oldest
    ask("a", 4)
    assert ask("a", 0) == 0
    assert len(made) == 6
    ask("a", 1)  # pushed out by 4
    assert made[-1] == ("a", 1)
    assert list(cache.of_kind("a")) == [(3,), (4,), (0,), (1,)]


def test_put_get_drop():
    cache = Cache(map=2)
    for number in range(3):
        cache.put("map", number, value=number * 10)
    assert cache.get("map", 0) is None
    assert cache.get("map", 2) == 20
    cache.put("map", 2, value=21)
    assert cache.get("map", 2) == 21
    cache.drop("map", 2)
    cache.drop("map", 2)
    cache.drop("nothing", 0)
    assert cache.of_kind("map") == {(1,): 10}


def test_a_copy_starts_empty_with_the_same_limits():
    cache = Cache(a=2)
    cache.put("a", 0, value=lambda: None)  # which cannot be pickled
    for other in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert other.of_kind("a") == {}
        for number in range(5):
            other.put("a", number, value=number)
        assert len(other.of_kind("a")) == 2


def test_two_threads_that_ask_at_once_get_what_is_kept_and_never_too_many_are():
    cache, wrong = Cache(a=20), []

    def ask() -> None:
        for number in range(4000):
            if cache.once("a", number % 50, make=lambda number=number: number % 50) != number % 50:
                wrong.append(number)

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(cache.of_kind("a")) == 20
