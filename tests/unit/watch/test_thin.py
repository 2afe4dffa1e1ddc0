"""Old samples made coarser: nothing of the extremes is lost, and who lived briefly is counted."""

from __future__ import annotations

from oakum.watch.block import Block, OpenBlock
from oakum.watch.codec import frames, pack, unpack
from oakum.watch.names import Names
from oakum.watch.tables import CHURN, PROCESSES, UNKNOWN, Entity
from oakum.watch.thin import thin

MIB = 1024 * 1024


def process(pid: int, args: str) -> Entity:
    return Entity((pid, pid * 100, 1), ("root", args.split(maxsplit=1)[0], args, ""))


def recorded(samples: list[dict[Entity, int]], start_s: float = 600.0, boot: str = "boot") -> Block:
    """A block of one sample a minute; values are resident bytes."""
    block = OpenBlock(boot, 0.0, 60)
    for minute, sizes in enumerate(samples):
        tick = block.tick(start_s + 60 * minute)
        for entity, rss in sizes.items():
            row = (rss, UNKNOWN, 10 * minute, 2, 5, ord("S"), block.text(f"wait{minute}"), UNKNOWN)
            block.table(PROCESSES).add(tick, entity, row)
    return closed(block)


def closed(block: OpenBlock) -> Block:
    (frame,) = frames(pack(block, Names()))
    assert isinstance(frame, bytes)
    return unpack(frame, Names())


def figures(block: Block, table: str) -> dict[str, dict[str, list[int]]]:
    """By the last label that matters, the columns of a table."""
    found = {}
    for rows in block.tables:
        if rows.table.name == table:
            for entity, run in rows.runs():
                assert entity is not None
                name = entity.labels[2] if table == "processes" else entity.labels[0]
                found[name] = {column: rows.column(column)[run] for column in rows.names}
    return found


def test_each_step_keeps_smallest_mean_largest_and_last() -> None:
    web = process(7, "web --all")
    sizes = [10, 12, 20, 8, 10, 11, 11, 11, 11, 16]
    (coarse,) = thin([recorded([{web: size * MIB} for size in sizes])], 300)
    block = closed(coarse)
    assert block.times_s == [600.0 + 4 * 60, 600.0 + 9 * 60]
    assert block.step_s == 300
    columns = figures(block, "processes")["web --all"]
    assert columns["rss"] == [10 * MIB, 16 * MIB]
    assert columns["rss.low"] == [8 * MIB, 11 * MIB]
    assert columns["rss.mean"] == [12 * MIB, 12 * MIB]
    assert columns["rss.high"] == [20 * MIB, 16 * MIB]
    assert columns["cpu_ms"] == [40, 90]
    assert [block.texts[text] for text in columns["wchan"]] == ["wait4", "wait9"]


def test_thinned_twice_it_still_knows_the_extremes() -> None:
    web = process(7, "web")
    sizes = [10] * 60
    sizes[7], sizes[31] = 3, 90
    (five,) = thin([recorded([{web: size * MIB} for size in sizes], start_s=3600.0)], 300)
    (hour,) = thin([closed(five)], 3600)
    columns = figures(closed(hour), "processes")["web"]
    assert (columns["rss.low"], columns["rss.high"], columns["rss"]) == ([3 * MIB], [90 * MIB], [10 * MIB])
    assert columns["rss.mean"][0] // MIB == 11


def test_what_lived_within_one_step_is_counted_by_family() -> None:
    cron = process(1, "cron")
    samples: list[dict[Entity, int]] = [{cron: MIB} for _ in range(10)]
    for minute, pid in ((2, 100), (3, 101), (7, 102)):
        samples[minute][process(pid, f"job --run {pid}")] = pid * MIB
    (coarse,) = thin([recorded(samples)], 300)
    block = closed(coarse)
    assert list(figures(block, "processes")) == ["cron"]
    assert figures(block, CHURN.name)["job --run *"] == {"count": [2, 1], "rss_high": [101 * MIB, 102 * MIB]}


def test_what_lives_at_either_end_of_a_block_may_live_on_and_is_kept() -> None:
    first, last = process(5, "ends"), process(6, "begins")
    samples: list[dict[Entity, int]] = [{process(1, "cron"): MIB} for _ in range(10)]
    samples[0][first] = samples[9][last] = MIB
    (coarse,) = thin([recorded(samples)], 300)
    assert set(figures(closed(coarse), "processes")) == {"cron", "ends", "begins"}


def test_a_command_that_became_another_is_not_churn() -> None:
    shell, python = (
        Entity((9, 900, 1), ("root", "sh", "sh -c job", "")),
        Entity((9, 900, 1), ("root", "python", "python job", "")),
    )
    samples: list[dict[Entity, int]] = [{process(1, "cron"): MIB} for _ in range(12)]
    samples[2][shell] = MIB
    for minute in range(3, 9):
        samples[minute][python] = MIB
    (coarse,) = thin([recorded(samples)], 300)
    assert set(figures(closed(coarse), "processes")) == {"cron", "sh -c job", "python job"}


def test_unknown_figures_take_no_part_and_stay_unknown_alone() -> None:
    web = process(7, "web")
    block = OpenBlock("boot", 0.0, 60)
    for minute, pss in enumerate((UNKNOWN, 40 * MIB, UNKNOWN, 20 * MIB, UNKNOWN, UNKNOWN, UNKNOWN)):
        tick = block.tick(600.0 + 60 * minute)
        block.table(PROCESSES).add(tick, web, (MIB, pss, 0, 1, 1, ord("S"), UNKNOWN, UNKNOWN))
    (coarse,) = thin([closed(block)], 300)
    columns = figures(closed(coarse), "processes")["web"]
    assert columns["pss"] == [20 * MIB, UNKNOWN]
    assert (columns["pss.low"], columns["pss.high"]) == ([20 * MIB, UNKNOWN], [40 * MIB, UNKNOWN])


def test_boots_stay_apart() -> None:
    web = process(7, "web")
    blocks = [recorded([{web: MIB}] * 5, boot="a"), recorded([{web: MIB}] * 5, start_s=9000.0, boot="b")]
    assert [block.boot_id for block in thin(blocks, 300)] == ["a", "b"]
