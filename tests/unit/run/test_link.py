"""What links a child to its supervisor: orders that are read once, by one of the two; messages that arrive whole."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator

import pytest

from oakum.run.link.orders import AT_ONCE, BEGIN, STOP, Order, Orders
from oakum.run.link.page import CANCEL
from oakum.run.link.stream import Receiver, Sender


@pytest.fixture
def orders() -> Iterator[Orders]:
    orders = Orders.make()
    yield orders
    orders.close()


def test_orders_come_in_the_order_in_which_they_were_given(orders: Orders) -> None:
    given = [Order(BEGIN, 1), Order(BEGIN, 2), Order(CANCEL, 1), Order(STOP)]
    orders.give(given)
    assert [orders.next() for _ in given] == given
    assert orders.next(wait=False) is None
    assert orders.take_back() == []


def test_what_was_read_cannot_be_taken_back_nor_read_after_that(orders: Orders) -> None:
    orders.give(Order(BEGIN, number) for number in range(1, AT_ONCE + 1))
    assert orders.next() == Order(BEGIN, 1)
    assert orders.take_back() == [Order(BEGIN, number) for number in range(2, AT_ONCE + 1)]
    assert orders.next(wait=False) is None


def test_orders_for_which_there_is_no_room_are_not_given_in_part(orders: Orders) -> None:
    batch = [Order(BEGIN, number) for number in range(1, AT_ONCE + 1)]
    given = 0
    with pytest.raises(BlockingIOError):
        while True:
            orders.give(batch)
            given += 1
    assert given > 0
    assert orders.take_back() == batch * given


def test_each_order_goes_to_one_of_two_who_read_at_once(orders: Orders) -> None:
    orders.give(Order(BEGIN, number) for number in range(1, 101))
    taken = orders.take_back()
    read: list[Order] = []

    def child() -> None:
        while (order := orders.next()) != Order(STOP):
            assert order is not None
            read.append(order)

    thread = threading.Thread(target=child)
    thread.start()
    for first in range(101, 20_000, 100):
        orders.give(Order(BEGIN, number) for number in range(first, first + 100))
        taken += orders.take_back()
    orders.give([Order(BEGIN, 20_001), Order(STOP)])
    thread.join()
    assert read and taken
    assert sorted(order.number for order in read + taken) == list(range(1, 20_002))
    assert read == sorted(read) and taken == sorted(taken)


def test_without_a_supervisor_the_next_order_is_to_stop() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    orders = Orders(read)
    os.close(write)
    assert orders.next() == Order(STOP)
    orders.close()


def test_messages_arrive_whole_and_in_order_whatever_their_size() -> None:
    read, write = os.pipe()
    sender, receiver = Sender(write), Receiver(read)
    dice = random.Random(4)
    sent = [dice.randbytes(dice.choice((0, 1, 60, 5000, 200_000))) for _ in range(200)]

    def send() -> None:
        for message in sent:
            sender.send(message)
        os.close(write)

    thread = threading.Thread(target=send)
    thread.start()
    received: list[bytes] = []
    while receiver.open:
        received += receiver.receive()
    thread.join()
    assert received == sent
    receiver.close()


def test_messages_of_two_threads_are_not_mixed() -> None:
    read, write = os.pipe()
    sender, receiver = Sender(write), Receiver(read)
    threads = [
        threading.Thread(target=lambda letter=letter: [sender.send(letter * 30_000) for _ in range(20)])
        for letter in (b"a", b"b")
    ]
    for thread in threads:
        thread.start()
    received: list[bytes] = []
    while len(received) < 40:
        received += receiver.receive()
    for thread in threads:
        thread.join()
    assert sorted(received) == [b"a" * 30_000] * 20 + [b"b" * 30_000] * 20
    os.close(write)
    receiver.close()


def test_what_a_writer_left_unfinished_is_no_message() -> None:
    read, write = os.pipe()
    receiver = Receiver(read)
    Sender(write).send(b"whole")
    os.write(write, (1000).to_bytes(4, "big") + b"half")
    os.close(write)
    assert receiver.receive() == [b"whole"]
    assert receiver.open
    assert receiver.receive() == []
    assert not receiver.open
    receiver.close()
