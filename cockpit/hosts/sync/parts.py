"""The shell texts of a sync: what the target runs, what the source serves, how one calls the other. Pure.

Everything is POSIX sh and runs in the account's home, below which relative paths of the plan are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from cockpit.hosts.pool import quoted

ONCE = ".cockpit/once"
"""Below the home of either host: what exists for one copy only."""

_COUNT = (
    r"""awk '/^\*deleting/{d++;next} """
    r"""/^[<>ch.][fdLDS]/{if(substr($0,3,4)=="++++")c++;else if(substr($0,1,1)==".")a++;else u++;"""
    r"""if(substr($0,2,1)=="f"&&substr($0,1,1)!="."&&$2>m)m=$2;next}"""
    r""" {print} END{printf "@counts created=%d changed=%d attributes=%d deleted=%d largest=%d\n",c,u,a,d,m}'"""
)

RELAY = "exec 5<&0; cat <&5 >&4 & cat <&3; kill $! 2>/dev/null"
"""What rsync takes for its remote shell when we are the link: its own channel, which is on 3 and 4. A background job would read
/dev/null, so its input is named; the foreground half ends with the channel."""

CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
"""The fastest first."""


def here(path: str) -> str:
    """A path that neither rsync nor cd takes for an option or another host."""
    return path if path.startswith("/") else f"./{path}"


def below(path: str) -> str:
    """What is in a folder, as rsync names it."""
    return here(path).rstrip("/") + "/"


def words(options: Sequence[str]) -> str:
    """Options as quoted shell words."""
    return " ".join(quoted(option) for option in options)


def rsh(name: str, word: str, relay: bool) -> str:
    """rsync's `--rsh` for one word that the source serves."""
    # Without --blocking-io the relay's cat gets EAGAIN: rsync makes its remote shell's pipes non-blocking.
    if relay:
        return f"--blocking-io --rsh={quoted('sh -c ' + quoted(RELAY) + ' relay')}"
    return f"--rsh={quoted(f'sh {ONCE}/{name}/rsh {word}')}"


def look(options: Sequence[str], call: str, tree: str, counts: bool) -> str:
    """A pass that changes nothing, run on the target; it tells on standard error, and `@status N` at the end."""
    pipe = f" | {_COUNT} >&2" if counts else " >&2"
    return (
        "export LC_ALL=C; cd || exit 1; exec 3<&0 4>&1 </dev/null; "
        f'{{ rsync {words(options)} {call} x:/ {quoted(below(tree))} 2>&1; echo "@status $?"; }}{pipe}'
    )


class Passage:
    """One pair of a copy. `inplace`: the target's rsync can write sparse files where they belong."""

    def __init__(
        self, index: int, options: Sequence[str], call: str, tree: str, *, fresh: bool, large: bool, inplace: bool
    ) -> None:
        self.index, self.options, self.call, self.tree = index, options, call, tree
        self.fresh, self.large, self.inplace = fresh, large, inplace

    def text(self) -> str:
        """Its function and where it lands. A tree that was not there before has nothing to set aside, and all of it is ours:
        what came is listed once, at the end.

        What a broken pass had of a file is kept in one folder beside all trees: below each folder of the tree it would cost a
        look for each file. Where little is to come it is not kept at all: the first round into a tree that is new writes files
        where they belong, which saves a rename for each, and half a file is sent again."""
        kept = first = ""
        if self.large:
            kept += '--partial-dir="$aside/partial" '
        elif self.fresh and self.inplace:
            first = 'if [ "$2" = 1 ]; then set -- "$1" --inplace; else set -- "$1"; fi; '
            kept += '${2:+"$2"} '
        if not self.fresh:
            kept += f'--log-file="$1/log.{self.index}" {quoted("--log-file-format=%i %n")} '
            kept += f'-b --backup-dir="$1/kept.{self.index}" '
        return (
            f"tree_{self.index}={quoted(here(self.tree))} fresh_{self.index}={1 if self.fresh else ''}\n"
            f"pass_{self.index}() {{ {first}exec 3<&8 4>&9; exec rsync {words(self.options)} {kept}"
            f"{self.call} x:/ {quoted(below(self.tree))}; }}\n"
        )


def copy(name: str, aside: str, passages: Sequence[Passage], *, patience: int, relay: bool) -> str:
    """The script that copies; a job of its own, or with `relay` what stands at the end of our channel."""
    # A relay speaks on standard input and output, so its words go to standard error.
    streams = "exec 8<&0 9>&1 1>&2 </dev/null\n" if relay else "exec 8</dev/null 9>/dev/null\n"
    head = f"aside={quoted(aside)}\nonce={quoted(f'{ONCE}/{name}')}\npatience={patience}\n"
    text = files("cockpit.hosts.sync").joinpath("copy.sh").read_text()
    pairs = "".join(f"pair {passage.index}\n" for passage in passages)
    return streams + head + "".join(passage.text() for passage in passages) + text + pairs


def serve(commands: Mapping[str, tuple[str, str]]) -> str:
    """What the source does for each word ($1) and limit in KiB a second ($2): word → (rsync's sending side, path)."""
    cases = "".join(
        f'{quoted(word)}) exec {command} --bwlimit="$2" . {quoted(below(path))} ;;\n'
        for word, (command, path) in commands.items()
    )
    return (
        "cd || exit 1\n"
        "case $2 in '' | *[!0-9]*) set -- \"$1\" 0 ;; esac\n"
        f"case $1 in\nhello) echo cockpit; exit 0 ;;\n{cases}esac\n"
        "echo 'cockpit: this is for one copy only' >&2\nexit 1\n"
    )


def call(user: str, address: str, port: int, command: str, agent: bool) -> str:
    """The text of the file that rsync on the target takes for its remote shell; `$1` is the word."""
    own = "-o IdentityAgent=agent" if agent else "-o IdentityAgent=none -o IdentitiesOnly=yes -o IdentityFile=key"
    remote = '"$1 $limit"' if not command else f'{quoted(command)}" $1 $limit"'
    return (
        'cd "${0%/*}" || exit 255\nlimit=$(cat limit 2>/dev/null || echo 0)\n'
        f"exec ssh -F /dev/null -T -a -x {own} -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known "
        "-o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=cockpit-source -o PreferredAuthentications=publickey "
        "-o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o LogLevel=ERROR -o Compression=no "
        f"-o Ciphers={CIPHERS} -p {port} {quoted(f'{user}@{address}')} {remote}\n"
    )
