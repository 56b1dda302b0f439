"""What is kept, and for how long."""

from __future__ import annotations

from threading import Thread

from nnlens.kept import Kept


def test_each_is_made_once_while_it_is_among_the_latest_of_its_kind():
    kept, made = Kept(), []

    def ask(kind: str, number: int) -> int:
        return kept.once(kind, number, make=lambda: made.append((kind, number)) or number, most=4)

    for _ in range(3):
        assert [ask("a", number) for number in range(4)] == [0, 1, 2, 3]
    assert len(made) == 4
    ask("b", 0)
    ask("a", 4)
    assert ask("a", 1) == 1
    assert len(made) == 6
    ask("a", 0)  # pushed out by 4
    assert made[-1] == ("a", 0)


def test_two_threads():
    kept = Kept()
    threads = [
        Thread(target=lambda: [kept.once("a", number % 50, make=object, most=20) for number in range(4000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
