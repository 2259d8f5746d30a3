"""How far a log was read: its generations that may still grow, each by file, offset and fingerprints. Survives links and runs."""

from __future__ import annotations

from cockpit.hosts.frames import FINGER, Frame, mark_of

LONGEST = 256 * 1024
"""Bytes of a line without its end that wait for it; then they are told as a line."""

MOST_DONE = 30


class Generation:
    """One life of a log file, as far as it arrived here."""

    def __init__(self, key: str = "-", offset: int = 0) -> None:
        self.key = key
        self.offset = offset
        self.seen = offset
        self.mtime = 0
        self.head = (0, "-")
        self.rest = b""
        """The beginning of a line whose end has not come yet."""
        self.joined = False
        """Whether it goes on with the rest of the generation before it, and has not done so yet."""
        self._first = b""
        self._near = b""
        self._near_mark = (0, "-")

    def advance(self, frame: Frame) -> None:
        """Take note of a frame of this generation. Raises ValueError where it does not follow on what came before."""
        if frame.offset != self.offset and frame.data:
            raise ValueError(f"bytes from {frame.offset} on came where {self.offset} was next")
        self.key, self.mtime, self.seen, self.head = frame.key, frame.mtime, frame.seen, frame.head
        if frame.data:
            if len(self._first) == frame.offset < FINGER:
                self._first += frame.data[: FINGER - len(self._first)]
            self.offset = frame.offset + len(frame.data)
            self._near = (self._near + frame.data[-FINGER:])[-FINGER:]
            self._near_mark = (0, "")

    def done(self) -> str:
        """What it is recognised by once it was read to its end."""
        length, print_ = mark_of(self._first) if self._first else self.head
        return f"{self.key} {self.mtime} {length} {print_}"

    def token(self, back: int = 0) -> str:
        """It in one word, as the agent's orders and the journal have it; `back` bytes of `rest` are left out."""
        if not back:
            if not self._near_mark[1]:
                self._near_mark = mark_of(self._near)
            length, print_ = self._near_mark
        else:
            length, print_ = mark_of(self._near[:-back])
        words = (self.key, self.offset - back, self.seen, self.mtime, *self.head, length, print_)
        return ",".join(str(word) for word in words)

    @classmethod
    def of(cls, token: str) -> Generation:
        """From its word. Raises ValueError."""
        key, offset, seen, mtime, head, head_hash, near, near_hash = token.split(",")
        made = cls(key, int(offset))
        made.seen, made.mtime, made.head = int(seen), int(mtime), (int(head), head_hash)
        made._near_mark = (int(near), near_hash)
        return made


class Position:
    """How far one log was read. A journald unit has a cursor instead of generations."""

    def __init__(self, word: str = "") -> None:
        """From its word in the journal; '' for a log that nobody followed. A word of another version counts as ''."""
        self.generations: dict[int, Generation] = {}
        self.done: list[str] = []
        """Generations that were read to their end lately: a copy of one is not to be read again."""
        self._joins: list[bool] = []
        """Of generations that are looked for anew: whether each goes on with the one before."""
        self.cursor = "-"
        self.mode = "end"
        self.fresh = True
        """Nothing was told of it yet: what comes first may begin in the middle of a line."""
        try:
            if word.startswith("cursor "):
                self.cursor = word.removeprefix("cursor ")
            elif word == "begin":
                self.mode, self.fresh = "begin", False
            elif word:
                self.generations = {index: Generation.of(token) for index, token in enumerate(word.split(";"))}
                self.fresh = False
        except ValueError:
            self.generations = {}

    def word(self, of: Generation | None = None, back: int = 0, whole_lines: bool = True) -> str:
        """All of it in one word, as far as the last complete line of each generation, and of one `back` bytes less than it
        has; without `whole_lines` as far as the last byte."""
        if self.cursor != "-":
            return f"cursor {self.cursor}"
        if not self.generations:
            return "begin" if self.mode == "begin" else ""
        if not whole_lines:
            return ";".join(gen.token() for gen in self.generations.values())
        return ";".join(gen.token(back if gen is of else len(gen.rest)) for gen in self.generations.values())

    def orders(self, index: int, file: str, unit: str) -> str:
        """The agent's orders for it; the serials of its generations are counted anew from 0."""
        if unit:
            return f"unit {index} {self.cursor} {unit}\n"
        self._begin_anew()
        self.generations = dict(enumerate(self.generations.values()))
        lines = [f"file {index} {self.mode} {file}\n"]
        lines += [f"done {index} {word}\n" for word in self.done]
        lines += [f"gen {index} {gen.token().replace(',', ' ')}\n" for gen in self.generations.values()]
        return "".join(lines)

    def _begin_anew(self) -> None:
        """Forget the newest generations of which nothing was read: a file may have been copied, cut and renamed since, and what
        was in it is older than what is in it now. The agent looks behind the one before, or by time."""
        kept = list(self.generations.items())
        self._joins = []
        while len(kept) > 1 and not kept[-1][1].offset:
            self._joins.insert(0, kept.pop()[1].joined)
        self.generations = dict(kept)
        if len(kept) == 1 and not (sole := kept[0][1]).offset and sole.key != "-":
            sole.key = "-"
            # It is its own successor.
            sole.mtime -= 1

    def take(self, frame: Frame) -> Generation:
        """The generation that a frame is of, made where it is new. Raises ValueError."""
        gen = self.generations.get(frame.serial)
        if gen is None:
            gen = self.generations[frame.serial] = Generation(frame.key, frame.offset)
            gen.joined = (self._joins.pop(0) if self._joins else False) or frame.joined
            if frame.offset == 0:
                self.fresh = False
        if frame.data and gen.joined:
            self._join(frame.serial, gen)
        gen.advance(frame)
        return gen

    def end(self, serial: int) -> bytes:
        """Forget a generation of which nothing comes any more. Returns a last line that never got its end."""
        gen = self.generations.get(serial)
        if gen is None:
            return b""
        if len(self.generations) == 1:
            if not gen.offset:
                # Its file was copied and cut before anything was read: what follows is found by its time.
                gen.key = "-"
            return b""
        after = next((self.generations[number] for number in sorted(self.generations) if number > serial), None)
        if after is not None and after.joined:
            self._join(next(number for number, one in self.generations.items() if one is after), after)
        del self.generations[serial]
        if gen.offset:
            self.done = [*self.done, gen.done()][-MOST_DONE:]
        return gen.rest

    def _join(self, serial: int, gen: Generation) -> None:
        """A file that was copied and cut in the middle of a line: the line goes on in the next generation."""
        before = [self.generations[number] for number in sorted(self.generations) if number < serial]
        gen.joined = False
        if before:
            gen.rest, before[-1].rest = before[-1].rest, b""
