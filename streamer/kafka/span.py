"""From where to where one partition is read: its bounds are asked for before anything is fetched.

Question: why not assign, seek and ask for the end, in this order? A fetch that finds nothing is kept by the broker for
half a second, and whatever is asked on the same connection waits behind it: 16 empty partitions would take 8 s. Choice:
the partition is paused until its bounds are known. (`latest`, the client's default where a position is lost, would
pass over what is there, so consumers are made with `earliest`.)
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition


async def hold(consumer: AIOKafkaConsumer, at: TopicPartition) -> None:
    """Start a consumer on one partition, of which nothing is fetched: it knows where that is, so it can be asked."""
    await consumer.start()
    consumer.assign([at])
    consumer.pause(at)


async def enter(consumer: AIOKafkaConsumer, at: TopicPartition, after: int | None = None) -> int:
    """Start a consumer that reads one partition, from where `go_to` takes it.

    Args:
        consumer: not started, with `auto_offset_reset="earliest"`; it reads nothing else.
        at: the partition, which must exist.
        after: the first offset that is wanted.

    Returns:
        The present end: the offset behind the last record that is certain not to be aborted.
    """
    await hold(consumer, at)
    return await go_to(consumer, at, after)


async def go_to(consumer: AIOKafkaConsumer, at: TopicPartition, after: int | None = None) -> int:
    """Read a partition from `after` on, or from its beginning if that is None or lies outside of the log.

    Args:
        consumer: started; the partition is assigned to it, and paused.
        at: the partition.
        after: the first offset that is wanted.

    Returns:
        As of `enter`.
    """
    first = (await consumer.beginning_offsets([at]))[at]
    end: int = (await consumer.end_offsets([at]))[at]
    consumer.seek(at, first if after is None or not first <= after <= end else after)
    consumer.resume(at)
    return end
