"""Runs on the host: one log of the plan, followed over renames, copies and truncations, the generations in their order."""

import os
import re
import stat
import time

from cockpit.hosts.agent.files import FINGER, PACKED, Cut, Gen, Packed, Plain, digest, key_of, opened, say

QUANTUM = 131072  # Bytes of one log in one round: a flood waits for the others.
BEGIN = 4096  # Bytes that are told of a log that nobody followed before.
GRACE = 1.0  # Seconds for a copy to show itself before its bytes are given up.
SETTLE = 2.0  # Seconds for which a copy may be one whose file is not cut off yet.
LINGER = 300.0  # Seconds of silence after which a rotated file is let go,
LINGER_DELETED = 5.0  # and one that was deleted, whose room is wanted.
KNOWN = 50
AGREE = 10  # Looks at a folder that is being rotated until two of them see the same.

_ROTATED = re.compile(r"[-._](\d[\d._T:-]*|old|bak|prev)$")
_DATED = re.compile(r"([-._]\d[\d._T:-]{5,}|\.\d[\d._T:-]*)$")
_NUMBER = re.compile(r"[-._](\d{1,4})$")


def written(status: os.stat_result) -> int:
    """When it was written last, ns, at the latest: some packers keep whole seconds only."""
    return status.st_mtime_ns + (0 if status.st_mtime_ns % 10**9 else 10**9 - 1)


class Log:
    """One log, with all of its generations that may still grow, the newest last."""

    def __init__(self, index: int, mode: str, path: str) -> None:
        self.index = index
        self.mode = mode
        self.path = path
        self.folder, self.base = os.path.split(path)
        self.gens = []  # type: list[Gen]
        self.known = []  # type: list[tuple[str, int, int, str]]
        self.next = 0
        self.since = time.time()
        self.told = ""

    def add(self, gen: Gen) -> None:
        """A generation that is newer than those known."""
        self.gens.append(gen)
        self.next = gen.serial + 1

    # --- finding generations ----------------------------------------------------------------------------------------

    def _open(self, name: str) -> "Plain | Packed | None":
        try:
            return opened(os.path.join(self.folder, name))
        except OSError:
            return None

    def siblings(self) -> "list[tuple[str, os.stat_result]]":
        """What this log was renamed, copied or packed to, the oldest first."""
        # A file that is renamed between the list and its look would be in neither place: two looks have to agree.
        found, suffixes = self._listed()
        for _ in range(AGREE):
            again, suffixes = self._listed()
            agree = [(name, key_of(status)) for name, status in found] == [(n, key_of(s)) for n, s in again]
            found = again
            if agree:
                break
        # Numbers and dates are an order in themselves, whatever a late writer made of the times; between the two the times say.
        numbered = [item for item in found if _NUMBER.match(suffixes[item[0]])]
        dated = [item for item in found if sum(map(str.isdigit, suffixes[item[0]])) > 5]
        rest = [item for item in found if item not in numbered and item not in dated]
        numbered.sort(key=lambda item: -int(suffixes[item[0]][1:]))
        dated.sort(key=lambda item: [int(digits) for digits in re.findall(r"\d+", suffixes[item[0]])])
        rest.sort(key=lambda item: item[1].st_mtime_ns)
        ordered, queues = [], [queue for queue in (dated, numbered, rest) if queue]
        while queues:
            first = min(queues, key=lambda queue: queue[0][1].st_mtime_ns)
            ordered.append(first.pop(0))
            queues = [queue for queue in queues if queue]
        return ordered

    def _listed(self) -> "tuple[list[tuple[str, os.stat_result]], dict[str, str]]":
        """What lies beside the log and bears its name, by name, and what of the name is not the log's own."""
        stem, ext = os.path.splitext(self.base)
        found = []  # type: list[tuple[str, os.stat_result]]
        suffixes = {}  # type: dict[str, str]
        names = set(os.listdir(self.folder or "."))
        for name in sorted(names):
            bare, packed = os.path.splitext(name)
            if packed not in PACKED:
                bare = name
            elif bare in names:
                continue  # It is being packed just now.
            suffix = bare[len(self.base) :] if bare.startswith(self.base) else ""
            if not _ROTATED.match(suffix):
                suffix = bare[len(stem) : len(bare) - len(ext)] if bare.startswith(stem) and bare.endswith(ext) else ""
                if not _DATED.match(suffix):
                    continue
            try:
                status = os.stat(os.path.join(self.folder, name))
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found.append((name, status))
                suffixes[name] = suffix
        return found, suffixes

    def _fitting(self, gen: Gen, names: "list[str]") -> "tuple[int, str]":
        """The first that holds all that was read of a generation, else one that holds its beginning."""
        short = (0, "")
        for name in names:
            source = self._open(name)
            if source is None:
                continue
            fits = gen.fits(source)
            source.close()
            if fits == 2:
                return 2, name
            short = (1, name) if fits else short
        return short

    def locate(self, gen: Gen) -> bool:
        """Find a generation again: where it was, under another name, as a copy, or packed. False to look again later."""
        others = self.siblings()
        try:
            here = key_of(os.stat(self.path))
        except OSError:
            here = ""
        names = [name for name, status in others if key_of(status) == gen.key]
        if here == gen.key and (gen.offset or not self.unread(gen)):
            names.insert(0, self.base)
        if gen.offset:
            second = gen.mtime // 10**9
            names += [name for name, status in others if status.st_mtime_ns // 10**9 >= second and name not in names]
        fits, name = self._fitting(gen, names)
        source = self._open(name) if fits else None
        if source is not None:
            gen.copied = gen.copied or (here == gen.key != source.key)
            if fits == 2:
                gen.adopt(source)
            else:
                # We had read more of it than was copied: nothing is left in the copy.
                gen.key, gen.over = source.key, True
                source.close()
        else:
            if gen.offset and time.time() - self.since < GRACE:
                return False
            if gen.offset and (gen is self.gens[-1] or gen.seen > gen.offset):
                say("G {} {} {}".format(self.index, gen.serial, gen.seen - gen.offset))
            gen.copied = False
            gen.key, gen.over = "-", True
        return True

    def unread(self, last: Gen) -> "list[tuple[str, os.stat_result]]":
        """The generations behind one, the oldest first, the log itself left out."""
        others = self.siblings()
        keys = [key_of(status) for _, status in others]
        if last.key in keys:
            behind = others[keys.index(last.key) + 1 :]
            return [item for item in behind if not self._known(item[1])]
        if last.offset and last.key != "-":
            # It may have been packed at once, under our hands.
            last.remember()
            names = [name for name, status in others if status.st_mtime_ns // 10**9 >= last.mtime // 10**9]
            fits, found = self._fitting(last, names)
            if fits == 2:
                place = [name for name, _ in others].index(found)
                return [item for item in others[place + 1 :] if not self._known(item[1])]
        return [item for item in others if written(item[1]) > last.mtime and not self._knows(*item)]

    def _known(self, status: os.stat_result) -> bool:
        """Whether it is read now, or was read to its end. An inode alone says nothing once the file is let go."""
        key = key_of(status)
        return any(key == gen.key for gen in self.gens) or any(
            key == known and status.st_mtime_ns == mtime for known, mtime, _, _ in self.known
        )

    def _knows(self, name: str, status: os.stat_result) -> bool:
        """Whether it was read before, as itself or as what it is a copy of."""
        if self._known(status):
            return True
        source = self._open(name)
        if source is None:
            return False
        heads = [(head, print_) for _, _, head, print_ in self.known]
        heads += [(len(gen.head), digest(gen.head)) if gen.source is not None else gen.marks[:2] for gen in self.gens]
        try:
            return any(head >= 64 and digest(source.read(0, head)) == print_ for head, print_ in heads)
        finally:
            source.close()

    def look(self) -> None:
        """Find what came after the newest generation that is known."""
        try:
            here = os.stat(self.path)
        except FileNotFoundError:
            if not self.gens:
                # Nothing yet: whatever comes to be from now on is to be told.
                nothing = Gen(self.next, None, 0)
                nothing.over, nothing.mtime = True, int(time.time() * 10**9)
                self.add(nothing)
                self.frame(nothing, b"")
            return
        if not self.gens:
            source = Plain(self.path)
            self.add(Gen(self.next, source, max(0, source.stat().st_size - BEGIN) if self.mode == "end" else 0))
            self.frame(self.gens[-1], b"")
            return
        last = self.gens[-1]
        same = key_of(here) == last.key
        if same and not (last.offset == 0 and last.grown()):
            return
        between = self.unread(last)
        if (same and not between) or (between and self._unsettled(between[-1])):
            return
        found = []  # type: list[Plain | Packed]
        for name, status in [*between, (self.base, here)]:
            try:
                found.append(opened(os.path.join(self.folder, name)))
                if found[-1].key != key_of(status):
                    raise FileNotFoundError(name)
            except FileNotFoundError:
                for source_ in found:
                    source_.close()
                return  # Something was renamed meanwhile: the next round sees how it is then.
            except OSError:
                if name == self.base:
                    raise
                say("G {} {} {}".format(self.index, last.serial, status.st_size))
        if same:
            # It was copied and cut before we read any of it.
            last.copied, last.over = True, True
            last.close()
            say("X {} {}".format(self.index, last.serial))
        joined = last.copied
        for source_ in found:
            self.add(Gen(self.next, source_, 0))
            self.gens[-1].copied = joined and source_ is not found[-1]
            self.frame(self.gens[-1], b"", joined)

    def _unsettled(self, newest: "tuple[str, os.stat_result]") -> bool:
        """Whether it may be a copy of the log that is not cut off yet, and so no generation of its own."""
        name, status = newest
        if time.time() - status.st_mtime > SETTLE:
            return False
        copy, log = self._open(name), Plain(self.path)
        head = log.read(0, FINGER)
        start = copy.read(0, FINGER) if copy is not None else b""
        size = min(len(head), len(start))
        log.close()
        if copy is not None:
            copy.close()
        return head[:size] == start[:size] and (size > 0 or not status.st_size)

    # --- reading ----------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Tell up to a quantum of what is new; whether there was anything."""
        try:
            for gen in self.gens:
                if gen.source is None and not gen.over and not self.locate(gen):
                    return False
            self.look()
            moved = self.read()
            self.retire()
        except BrokenPipeError:
            raise
        except OSError as error:
            why = " ".join((error.strerror or str(error)).split())
            if why != self.told:
                say("T {} {}".format(self.index, why))
            self.told = why
            return False
        if self.told:
            say("T {} ".format(self.index))
        self.told = ""
        return moved

    def read(self) -> bool:
        budget = QUANTUM
        while budget > 0:
            data, place, gen = b"", 0, None
            for place, gen in enumerate(self.gens):
                try:
                    data = gen.peek(budget)
                except Cut:
                    self.cut(gen)
                    return True
                if data:
                    break
            if gen is None or not data:
                break
            # What was written to an older file before these bytes were is there by now, and comes first.
            if any(older.grown() for older in self.gens[:place]):
                continue
            if gen.offset == 0 and gen is self.gens[-1] and isinstance(gen.source, Plain) and self.unread(gen):
                break
            gen.advance(data)
            self.frame(gen, data)
            budget -= len(data)
        return budget < QUANTUM

    def cut(self, gen: Gen) -> None:
        """It was truncated: what we had not read of it is in a copy, if anywhere."""
        gen.remember()
        gen.close()
        self.since = time.time()
        if gen is self.gens[-1]:
            gen.key, gen.copied = "-", True
        else:
            gen.over = True

    def retire(self) -> None:
        """Let go of what will not grow any more."""
        now = time.time()
        for gen in self.gens[:-1]:
            silent = now - gen.grew
            if isinstance(gen.source, Packed):
                gen.over = gen.over or not gen.peek(1)
                if gen.over and gen.source.broken():
                    say("G {} {} 0".format(self.index, gen.serial))
            elif gen.source is not None and not gen.grown():
                gen.over = gen.over or gen.copied or silent > (LINGER if gen.source.stat().st_nlink else LINGER_DELETED)
                if not gen.quiet and silent > 1.0:
                    gen.quiet = True
                    say("Q {} {}".format(self.index, gen.serial))
            if gen.over:
                self.known.append((gen.key, gen.mtime, len(gen.head), digest(gen.head)))
                gen.close()
                self.gens.remove(gen)
                say("X {} {}".format(self.index, gen.serial))
        del self.known[:-KNOWN]

    def frame(self, gen: Gen, data: bytes, joined: bool = False) -> None:
        """Tell bytes that were just read; without any, that there is a generation."""
        fields = (
            self.index, gen.serial, gen.offset - len(data), len(data), max(gen.seen, gen.offset),
            "{:.3f}".format(time.time()), gen.key, gen.mtime, len(gen.head), digest(gen.head), int(joined),
        )  # fmt: skip
        say("F " + " ".join(str(field) for field in fields), data)
