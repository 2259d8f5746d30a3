"""What a copy straight from host to host needs for its time only: a key that opens one command, or a forwarded agent.

The private part is made here, goes to the target over its own connection into a private folder, and is removed by the copy's
own script when that ends, however we fare. The public part stands on the source under `restrict` and a forced command, and
expires by itself where the server knows how.
"""

from __future__ import annotations

import asyncio
import os
import re
import time

import asyncssh

from cockpit.hosts.pool import HostPool, Ran, Unreachable, quoted
from cockpit.hosts.sync import parts
from cockpit.plan.model import Host

LIFE = 24 * 3600.0
"""Seconds after which a key on the source is worth nothing, should nobody be able to remove it."""

# The file is rewritten under a lock, since several copies may come and go at once; a lock that is old has lost its holder.
_LOCKED = r"""
umask 077; cd || exit 1; mkdir -p .cockpit/once .ssh || exit 1
keys=.ssh/authorized_keys; [ ! -L "$keys" ] || keys=$(readlink -f "$keys")
n=0; until mkdir .cockpit/once/lock 2>/dev/null; do
    n=$((n + 1)); [ "$n" -lt 100 ] || rmdir .cockpit/once/lock 2>/dev/null; sleep 0.1 2>/dev/null || sleep 1
done
trap 'rmdir .cockpit/once/lock 2>/dev/null' EXIT
"""
_OPEN = (
    _LOCKED
    + r"""
name=$1; IFS= read -r line; cat >".cockpit/once/$name.serve" || exit 1
[ -f "$keys" ] || : >".cockpit/once/$name.made"
[ ! -s "$keys" ] || [ -z "$(tail -c 1 "$keys")" ] || echo >>"$keys"
printf '%s\n' "$line" >>"$keys"
"""
)
_CLOSE = (
    _LOCKED
    + r"""
name=$1
if [ -f "$keys" ] && grep -q " cockpit-once-$name\$" "$keys"; then
    cp -p "$keys" "$keys.cockpit" || exit 1
    grep -v " cockpit-once-$name\$" "$keys" >"$keys.cockpit"
    [ $? -le 1 ] || exit 1
    if [ -f ".cockpit/once/$name.made" ] && [ ! -s "$keys.cockpit" ]; then rm -f "$keys" "$keys.cockpit"
    else mv "$keys.cockpit" "$keys"; fi || exit 1
fi
rm -f ".cockpit/once/$name.serve" ".cockpit/once/$name.made"
"""
)
_PLACE = r"""
umask 077; cd || exit 1; d=.cockpit/once/$1; mkdir -p "$d" || exit 1; cd "$d" || exit 1
printf '%s\n' "$2" >rsh && printf '%s\n' "$3" >known && echo "$4" >limit && cat >key && { [ -s key ] || rm key; }
"""


def authorized(public: str, name: str, version: str, now: float) -> str:
    """The line for authorized_keys. `version` is what the source's SSH server calls itself: not all know all restrictions."""
    command = f'command="exec sh {parts.ONCE}/{name}.serve"'
    if "OpenSSH" in version:
        until = time.strftime("%Y%m%d%H%M%S", time.gmtime(now + LIFE))
        # Without a zone it is read in the server's own; a day's life forgives that, and older servers know no `Z`.
        head = f'restrict,expiry-time="{until}",{command}' if _knows_expiry(version) else f"restrict,{command}"
    else:
        head = f"no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-pty,{command}"
    return f"{head} {public} cockpit-once-{name}"


def _knows_expiry(version: str) -> bool:
    number = version.partition("OpenSSH_")[2].partition("p")[0].split(".")
    try:
        return (int(number[0]), int(number[1].split("-")[0].split(" ")[0])) >= (7, 7)
    except (ValueError, IndexError):
        return False


class Once:
    """The means of one copy, by name. `close` may be called again at any time, also by a later process."""

    def __init__(self, pool: HostPool, source: str, target: str, name: str) -> None:
        self._pool, self._source, self._target, self.name = pool, source, target, name
        self._listener: asyncssh.SSHListener | None = None

    async def open(self, host: Host, kind: str, serve: str, limit: int) -> None:
        """Put everything into place. Raises Unreachable."""
        link = await self._pool[self._source].connection()
        seen = link.get_server_host_key()
        if seen is None:
            raise Unreachable(f"{self._source}: its host key is not known to us")
        known = f"cockpit-source {seen.export_public_key().decode().strip()}"
        user, address, port = where(host, link)
        agent = kind == "agent"
        command = f"exec sh -c {quoted(serve)} cockpit" if agent else ""
        rsh = parts.call(user, address, port, command, agent)
        key = asyncssh.generate_private_key("ssh-ed25519")
        secret = b"" if agent else key.export_private_key()
        words = " ".join(quoted(word) for word in (self.name, rsh, known, str(limit)))
        place = f"exec sh -c {quoted(_PLACE)} cockpit-once {words}"
        placing = self._pool[self._target].run(place, secret, 30.0)
        if agent:
            _whole(self._target, await placing)
            await self._forward()
            return
        version = str(link.get_extra_info("server_version", ""))
        line = authorized(key.export_public_key().decode().strip(), self.name, version, time.time())
        text = f"set -f\nset -- $SSH_ORIGINAL_COMMAND\nset +f\n{serve}"
        opening = self._pool[self._source].run(
            f"exec sh -c {quoted(_OPEN)} cockpit-once {quoted(self.name)}", f"{line}\n{text}".encode(), 30.0
        )
        placed, opened = await asyncio.gather(placing, opening)
        _whole(self._target, placed)
        _whole(self._source, opened)

    async def _forward(self) -> None:
        """Our agent as a socket in the private folder. Raises Unreachable."""
        path = os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            raise Unreachable("there is no agent here to forward: SSH_AUTH_SOCK is not set")
        home = await self._pool[self._target].run("cd && pwd", b"", 15.0)
        link = await self._pool[self._target].connection()
        far = f"{home.out.decode('utf-8', 'surrogateescape').rstrip()}/{parts.ONCE}/{self.name}/agent"
        try:
            self._listener = await link.forward_remote_path(far, path)
        except (asyncssh.Error, OSError) as error:
            raise Unreachable(f"{self._target} takes no agent: {error}") from None

    def connected(self) -> None:
        """The hosts have met: what was only needed for that is taken away."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def close(self) -> None:
        """Remove everything from both hosts. Raises Unreachable."""
        self.connected()
        gone = f"cd && rm -rf {quoted(f'{parts.ONCE}/{self.name}')}"
        shut = f"exec sh -c {quoted(_CLOSE)} cockpit-once {quoted(self.name)}"
        both = await asyncio.gather(
            self._pool[self._target].run(gone, b"", 30.0),
            self._pool[self._source].run(shut, b"", 30.0),
            return_exceptions=True,
        )
        for host, ran in zip((self._target, self._source), both, strict=True):
            if isinstance(ran, BaseException):
                raise Unreachable(f"the one-time key may still be on {host}: {ran}")
            _whole(host, ran)


def where(host: Host, link: asyncssh.SSHClientConnection | None) -> tuple[str, str, int]:
    """(user, address, port) at which another host finds this one: the plan's `address`, else what we are connected to."""
    spec = host.ssh.rpartition("@")[2]
    name, colon, port = spec.rpartition(":")
    peer = link.get_extra_info("peername") if link is not None else None
    user = host.ssh.rpartition("@")[0] or (str(link.get_extra_info("username")) if link is not None else "")
    number = int(port) if colon and port.isdigit() else int(peer[1]) if peer else 22
    if re.fullmatch(r"[^:]+:\d+|\[.*\]:\d+", host.address):
        name, _, text = host.address.rpartition(":")
        return user, name.strip("[]"), int(text)
    address = host.address or (str(peer[0]) if peer else name or spec)
    return user, address, number


def _whole(host: str, ran: Ran) -> None:
    if ran.exit != 0:
        raise Unreachable(
            f"{host}: what the copy needs could not be put into place or removed: {ran.text or 'the link was lost'}"
        )
