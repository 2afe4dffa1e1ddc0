"""A child's way in: its orders, and the jobs that they speak of."""

from __future__ import annotations

from oakum.run.link import wire
from oakum.run.link.channel import Channel
from oakum.run.link.orders import BEGIN, STOP, Order, Orders


class Inbox:
    """Jobs come many in a packet, and wait here until one of them is to begin: of a few kilobytes, or a single large one."""

    def __init__(self, orders: Orders, packets: Channel) -> None:
        self._orders, self._packets = orders, packets
        self._hands: dict[int, wire.Hand] = {}

    def fileno(self) -> int:
        """Readable when there is an order."""
        return self._orders.fileno()

    def next(self, wait: bool = True) -> wire.Hand | Order | None:
        """The next order, or the job that it tells to begin; None when there is none and `wait` is false."""
        order = self._orders.next(wait)
        if order is None or order.kind != BEGIN:
            return order
        while (hand := self._hands.pop(order.number, None)) is None:
            packet = self._packets.receive()
            if not packet:
                return Order(STOP)
            self._hands = {each.number: each for each in wire.decode_hands(packet)}  # those left over were taken back
        return hand
