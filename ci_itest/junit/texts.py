"""Long texts kept at a bounded size: their head and their tail."""

from __future__ import annotations

TEXT_LIMIT = 64 * 1024
"""Characters of one text that are kept; the file it came from has the rest."""


class BoundedText:
    """A text that arrives in pieces and keeps `limit` characters: a third of them its head, the rest its tail."""

    __slots__ = ("_head", "_limit", "_size", "_tail", "_tail_size")

    def __init__(self, limit: int = TEXT_LIMIT) -> None:
        self._limit = limit
        self._head = ""
        self._tail: list[str] = []
        self._tail_size = 0
        self._size = 0

    def add(self, text: str) -> None:
        self._size += len(text)
        head_room = self._limit // 3 - len(self._head)
        if head_room > 0:
            self._head += text[:head_room]
            text = text[head_room:]
        if not text:
            return
        self._tail.append(text)
        self._tail_size += len(text)
        tail_limit = self._limit - self._limit // 3
        # Joined now and then only, or a text of many small pieces would cost their square.
        if self._tail_size > 4 * tail_limit or len(self._tail) > 1_000:
            kept = "".join(self._tail)[-tail_limit:] if tail_limit else ""
            self._tail, self._tail_size = [kept], len(kept)

    def __str__(self) -> str:
        tail_limit = self._limit - self._limit // 3
        tail = "".join(self._tail)[-tail_limit:] if tail_limit else ""
        left_out = self._size - len(self._head) - len(tail)
        if left_out <= 0:
            return self._head + tail
        return f"{self._head}\n… {left_out:,} characters left out …\n{tail}"
