"""The frontier as people read it: a table with bars, then what bounds it."""

from __future__ import annotations

from collections.abc import Iterator

from ci_itest.flows.what_if import WhatIf
from ci_itest.planning.shard_count import Option

BAR_WIDTH = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"


def what_if_lines(found: WhatIf) -> Iterator[str]:
    """Lines of text without colour."""
    yield f"suite {found.suite}: what each number of shards is expected to take"
    yield ""
    price = "    price" if found.has_price else ""
    yield f"shards      wall  billed{price}"
    longest = max(option.wall_seconds for option in found.options)
    for option in found.options:
        yield _line(option, found, longest=longest)
    yield ""
    yield from _words(found)


def _line(option: Option, found: WhatIf, *, longest: float) -> str:
    mark = "→" if option.shards == min(found.chosen, found.options[-1].shards) else " "
    price = f" {option.cost:8.3f}" if found.has_price else ""
    bar = _bar(option.wall_seconds / longest if longest else 0.0)
    return (
        f"{mark} {option.shards:4} {clock(option.wall_seconds):>9} {option.billed_minutes:3} min{price}  {bar}".rstrip()
    )


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _shards(count: int, many: str, one: str) -> str:
    return f"{count} shards {many}" if count != 1 else f"1 shard {one}"


def _words(found: WhatIf) -> Iterator[str]:
    last = found.options[-1]
    if found.is_auto:
        chosen = next((option for option in found.options if option.shards == found.chosen), last)
        meets = chosen.wall_seconds <= found.target_seconds
        what = ("meet", "meets") if meets else ("come nearest to", "comes nearest to")
        yield f"→ {_shards(chosen.shards, *what)} the target of {clock(found.target_seconds)}."
    else:
        yield f"→ {_shards(found.chosen, 'are', 'is')} set."
    file, first, seconds = found.bounding
    part = f"{file}::{first}" if first else file
    yield f"No number of shards ends before {clock(seconds)}: that long a job of {part} alone takes."
    if found.cut:
        gain = clock(last.wall_seconds - found.cut.wall_seconds)
        yield (
            f'Cutting long files (keep_together = "case") would gain {gain}: '
            f"{clock(found.cut.wall_seconds)} with {found.cut.shards} shards."
        )
    unknown, total = found.unknown
    if unknown:
        yield f"{unknown} of {total} cases have no history yet: the figures are guesses to that extent."


def clock(seconds: float) -> str:
    """`45 s`, `3:20 min`, `1:05:00 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
