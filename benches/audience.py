#!/usr/bin/env python3
"""Writes the audience that the benches plan: `benches/audience.py ROWS FILE.csv`.

The same ROWS give the same bytes with every Python that draws alike (3.9 to 3.13 were not seen to differ): all
chance comes from one `random.Random`, drawn block by block and column by column.

- `user_id` walks the numbers below a prime in steps, so that ids are distinct and in no order.
- Names and cities are skewed as those of people are; some cities hold a comma, and some letters beyond ASCII.
- Half of the people have `lang` en, and 8% have opted out.
- From the second block on, 1% of the rows bring an id of the block before again: half of them as the same row,
  half of them with other attributes.
"""

import random
import sys
from itertools import accumulate, product

HEADER = "user_id,first_name,lang,city,tz,plan_tier,opted_out"
BLOCK = 100_000
PRIME, STEP = 10_000_000_019, 6_180_339_887
# Of 2,000 rows, 10 repeat a row and 10 repeat an id.
REPEATED_ROWS, REPEATED_IDS, OF = 10, 20, 2_000

SYLLABLES = "an be ca di el fa gi ho is jo ka li mo na o pe ri sa ti vu".split()
CITIES = ["London", "New York", "São Paulo", '"Washington, D.C."', "München", "東京", "Paris", "Austin", "Leeds"]
CITIES += ['"Portland, OR"'] + [f"City{number:03}" for number in range(190)]
LANGUAGES = {"en": 50, "es": 12, "pt": 9, "de": 8, "fr": 7, "ja": 6, "zh": 5, "ar": 3}
ZONES = ["America/New_York", "America/Los_Angeles", "Europe/London", "Europe/Berlin", "Asia/Tokyo"]
ZONES += ["Asia/Shanghai", "America/Sao_Paulo", "UTC"]
TIERS = {"free": 70, "plus": 18, "pro": 9, "team": 3}
OPTED_OUT = {"false": 92, "true": 8}


def weighted(weights):
    return list(weights), list(accumulate(weights.values()))


def skewed(values, exponent):
    """The n-th value is drawn 1 / n^exponent as often as the first."""
    return values, list(accumulate(1.0 / rank**exponent for rank in range(1, len(values) + 1)))


def blocks(rows):
    """The rows as lists of lines, block by block."""
    chance = random.Random(7)
    names = ["".join(parts).capitalize() for parts in product(SYLLABLES, repeat=3)]
    chance.shuffle(names)
    columns = [skewed(names[:500], 0.8), weighted(LANGUAGES), skewed(CITIES, 0.9), (ZONES, None)]
    columns += [weighted(TIERS), weighted(OPTED_OUT)]
    before = []
    for first in range(0, rows, BLOCK):
        size = min(BLOCK, rows - first)
        drawn = [chance.choices(values, cum_weights=weights, k=size) for values, weights in columns]
        ids = (f"u{number * STEP % PRIME:010}" for number in range(first, first + size))
        block = [",".join(row) for row in zip(ids, *drawn)]
        for index in range(size if before else 0):
            lot = chance.random() * OF
            if lot < REPEATED_IDS:
                earlier = before[index]
                if lot >= REPEATED_ROWS:
                    earlier = earlier.partition(",")[0] + "," + block[index].partition(",")[2]
                block[index] = earlier
        yield block
        before = block


def write(rows, path):
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        for block in blocks(rows):
            file.write("\n".join(block) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(int(sys.argv[1]), sys.argv[2])
