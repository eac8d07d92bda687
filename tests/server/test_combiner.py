"""One flush serves whoever waits, and nobody waits for company."""

import threading
from collections.abc import Sequence

import pytest

from server.store.combine import Combiner, Ticket


def test_a_lone_caller_flushes_at_once_and_gets_its_result() -> None:
    rounds: list[int] = []

    def flush(tickets: Sequence[Ticket[int, int]]) -> None:
        rounds.append(len(tickets))
        for ticket in tickets:
            ticket.result = ticket.item * 2

    assert Combiner(flush).run(21) == 42
    assert rounds == [1]


def test_callers_that_come_during_a_flush_share_the_next_one() -> None:
    entered, go_on = threading.Event(), threading.Event()
    rounds: list[list[int]] = []

    def flush(tickets: Sequence[Ticket[int, int]]) -> None:
        rounds.append(sorted(ticket.item for ticket in tickets))
        entered.set()
        go_on.wait(10)
        for ticket in tickets:
            ticket.result = ticket.item

    combiner = Combiner(flush)
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(combiner.run(n))) for n in range(9)
    ]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(combiner._waiting) < 8:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert rounds == [[0], list(range(1, 9))]
    assert sorted(results) == list(range(9))


def test_a_flush_that_breaks_tells_each_of_its_callers_and_the_next_round_works() -> None:
    def flush(tickets: Sequence[Ticket[str, str]]) -> None:
        if any(ticket.item == "bad" for ticket in tickets):
            raise OSError("no disk")
        for ticket in tickets:
            ticket.result = "ok"

    combiner = Combiner(flush)
    with pytest.raises(OSError, match="no disk"):
        combiner.run("bad")
    assert combiner.run("good") == "ok"


def test_a_thousand_callers_from_many_threads_each_get_their_own_answer() -> None:
    def flush(tickets: Sequence[Ticket[int, int]]) -> None:
        for ticket in tickets:
            if ticket.item % 7:
                ticket.result = -ticket.item
            else:
                ticket.error = ValueError(str(ticket.item))

    combiner = Combiner(flush, most=5)
    wrong: list[int] = []

    def call(numbers: range) -> None:
        for number in numbers:
            try:
                right = combiner.run(number) == -number and number % 7
            except ValueError as error:
                right = str(error) == str(number)
            if not right:
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(range(n, 1000, 10),)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
