"""Name servers and resolvers: BIND as primary, Knot and NSD as secondaries and as the parent, Unbound in three tempers."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tests.real.rig import RealHost
from tests.real.world import listening, until, write

ZONE, PARENT = "example.test", "test"


class Key(msgspec.Struct, frozen=True):
    """A TSIG key."""

    name: str = "cutover"
    secret: str = msgspec.field(default_factory=lambda: base64.b64encode(os.urandom(32)).decode())

    def file(self, folder: Path) -> Path:
        """It, as a plan names it."""
        path = folder / f"{self.name}.key"
        path.write_text(f"hmac-sha256:{self.secret}\n")
        return path


def zone_text(
    servers: dict[str, RealHost],
    records: str,
    *,
    zone: str = ZONE,
    serial: int = 1,
    refresh: int = 3600,
    negative: int = 5,
) -> str:
    """A zone with a name server for each host, its addresses, and `records`. The SOA's TTL is the negative one."""
    lines = [
        "$TTL 5",
        f"@ {negative} IN SOA ns1.{zone}. host.{zone}. {serial} {refresh} 1 604800 {negative}",
    ]
    for name, host in servers.items():
        lines += [f"@ 5 IN NS {name}.{zone}.", f"{name} 5 IN A {host.address}"]
    return "\n".join([*lines, records.strip(), ""])


def delegation(servers: dict[str, RealHost], *, zone: str = ZONE, ttl: int = 5, ds: Sequence[str] = ()) -> str:
    """What the parent says of a zone: its name servers, their addresses, its DS."""
    lines = []
    for name, host in servers.items():
        lines += [f"{zone}. {ttl} IN NS {name}.{zone}.", f"{name}.{zone}. {ttl} IN A {host.address}"]
    return "\n".join([*lines, *(f"{zone}. {ttl} IN DS {text}" for text in ds), ""])


def bind(
    host: RealHost,
    text: str,
    *,
    zone: str = ZONE,
    key: Key | None = None,
    secondaries: Sequence[RealHost] = (),
    notify: bool = True,
    signed: bool = False,
    more: str = "",
) -> None:
    """BIND as the primary of a zone that takes updates under `key`. Without `notify` the secondaries find out by themselves."""
    named = key or Key()
    also = "".join(f"{other.address}; " for other in secondaries)
    policy = 'dnssec-policy "quick"; inline-signing yes;' if signed else ""
    config = f"""
        key "{named.name}" {{ algorithm hmac-sha256; secret "{named.secret}"; }};
        dnssec-policy "quick" {{ keys {{ csk lifetime unlimited algorithm ecdsap256sha256; }}; }};
        options {{ directory "/var/cache/bind"; listen-on {{ any; }}; listen-on-v6 {{ any; }}; recursion no;
                   allow-transfer {{ any; }}; minimal-responses no; notify {"explicit" if notify else "no"};
                   also-notify {{ {also if notify else ""} }}; pid-file "/run/named.pid"; session-keyfile "/run/session.key";
                   startup-notify-rate 1000; notify-rate 1000; serial-query-rate 1000; notify-delay 0; {more} }};
        zone "{zone}" {{ type primary; file "/var/cache/bind/zone"; allow-update {{ key "{named.name}"; }}; {policy} }};
    """
    write(host, "/etc/bind/rig.conf", config)
    write(host, "/var/cache/bind/zone", text, "666")
    host.run("rm -f /var/cache/bind/zone.jnl; chmod 777 /var/cache/bind")
    host.spawn("/usr/sbin/named", "-f", "-c", "/etc/bind/rig.conf")
    until(lambda: asked(host, zone, "SOA"), lambda: f"named on {host.name}: {host.said()[-800:]}")


def knot(
    host: RealHost,
    *,
    zone: str = ZONE,
    primary: RealHost | None = None,
    text: str = "",
    refresh_min: int = 2,
) -> None:
    """Knot: a secondary of `primary`, or a primary of `text` (the parent zone)."""
    remote = f"remote:\n  - id: primary\n    address: {primary.address}@53\n" if primary else ""
    acl = (
        f"acl:\n  - id: notify\n    address: {primary.address}\n    action: notify\n"
        if primary
        else "acl:\n  - id: all\n    address: 0.0.0.0/0\n    action: [transfer, update]\n"
    )
    source = "    master: primary\n    acl: notify\n" if primary else "    file: zone\n    acl: all\n"
    config = (
        "server:\n    rundir: /run/knot\n    listen: [0.0.0.0@53, ::@53]\n    user: root:root\n"
        f"log:\n  - target: stderr\n    any: warning\ndatabase:\n    storage: /var/lib/knot\n{remote}{acl}"
        f"zone:\n  - domain: {zone}\n    storage: /var/lib/knot\n    refresh-min-interval: {refresh_min}\n{source}"
    )
    write(host, "/etc/knot/rig.conf", config)
    host.run("mkdir -p /run/knot /var/lib/knot; chown -R root:root /run/knot /var/lib/knot; chmod 755 /var/lib/knot")
    if text:
        write(host, "/var/lib/knot/zone", text, "666")
    host.spawn("/usr/sbin/knotd", "-c", "/etc/knot/rig.conf")
    until(lambda: asked(host, zone, "SOA"), lambda: f"knotd on {host.name}: {host.said()[-800:]}")


def nsd(host: RealHost, *, zone: str = ZONE, primary: RealHost | None = None, text: str = "") -> None:
    """NSD: a secondary of `primary`, or a primary of `text` (the parent zone)."""
    source = (
        f"    request-xfr: {primary.address} NOKEY\n    allow-notify: {primary.address} NOKEY\n    min-refresh-time: 1\n"
        if primary
        else ""
    )
    config = (
        "server:\n    ip-address: 0.0.0.0\n    ip-address: ::0\n    username: root\n    zonesdir: /var/lib/nsd\n"
        '    database: ""\n    pidfile: /run/nsd.pid\n    xfrdfile: /var/lib/nsd/xfrd.state\n'
        "    zonelistfile: /var/lib/nsd/zone.list\n    xfrd-reload-timeout: 0\n    server-count: 1\n"
        f"remote-control:\n    control-enable: yes\n    control-interface: /run/nsd.ctl\n"
        f"zone:\n    name: {zone}\n    zonefile: zone\n{source}"
    )
    write(host, "/etc/nsd/rig.conf", config)
    host.run("mkdir -p /var/lib/nsd; chown -R root:root /var/lib/nsd; rm -f /var/lib/nsd/*")
    if text:
        write(host, "/var/lib/nsd/zone", text, "666")
    host.spawn("/usr/sbin/nsd", "-d", "-c", "/etc/nsd/rig.conf")
    until(lambda: asked(host, zone, "SOA"), lambda: f"nsd on {host.name}: {host.said()[-800:]}")


def publish(host: RealHost, text: str) -> None:
    """Another text for the zone of a Knot or NSD that is its primary (the parent)."""
    if host.run("pgrep -x knotd || :").strip():
        write(host, "/var/lib/knot/zone", text, "666")
        host.run("knotc -s /run/knot/knot.sock zone-reload >/dev/null 2>&1 || pkill -HUP -x knotd")
    else:
        write(host, "/var/lib/nsd/zone", text, "666")
        host.run("nsd-control -c /etc/nsd/rig.conf reload")


Temper = Literal["honest", "stale", "clamping"]


def unbound(
    host: RealHost,
    parent: RealHost,
    temper: Temper = "honest",
    *,
    anchors: Sequence[str] = (),
    forward: RealHost | None = None,
    tls: tuple[str, str] | None = None,
    more: str = "",
) -> None:
    """Unbound, which finds the zones below `test` through their parent. `stale` serves what has expired, `clamping` stretches
    TTLs; `anchors` are trust anchors; with `forward` it asks another resolver; `tls` is (key, certificate) for DoT and DoH."""
    tempers = {
        "honest": "",
        "stale": "serve-expired: yes\n  serve-expired-ttl: 86400\n  serve-expired-client-timeout: 0\n  ede: yes\n  ede-serve-expired: yes\n",
        "clamping": "cache-min-ttl: 30\n",
    }
    source = (
        f"forward-zone:\n  name: .\n  forward-addr: {forward.address}\n"
        if forward is not None
        else f"stub-zone:\n  name: {PARENT}\n  stub-addr: {parent.address}\n"
    )
    secure = ""
    if tls is not None:
        secure = (
            f"  interface: 0.0.0.0@853\n  interface: 0.0.0.0@443\n  tls-port: 853\n  https-port: 443\n"
            f"  tls-service-key: {tls[0]}\n  tls-service-pem: {tls[1]}\n"
        )
    config = (
        "server:\n  interface: 0.0.0.0\n  interface: ::0\n  access-control: 0.0.0.0/0 allow\n  access-control: ::0/0 allow\n"
        '  username: ""\n  chroot: ""\n  pidfile: /run/unbound.pid\n  do-daemonize: no\n  use-syslog: no\n  verbosity: 1\n'
        f'  module-config: "{"validator iterator" if anchors else "iterator"}"\n  do-not-query-localhost: no\n'
        f'  local-zone: "{PARENT}." nodefault\n  infra-host-ttl: 1\n  infra-keep-probing: yes\n  prefetch: no\n'
        f'  qname-minimisation: no\n  aggressive-nsec: no\n  target-fetch-policy: "0 0 0 0 0"\n'
        + "".join(f'  trust-anchor: "{anchor}"\n' for anchor in anchors)
        + (f'  domain-insecure: "{PARENT}"\n' if not anchors else "")
        + f"  {tempers[temper]}{more}{secure}"
        "remote-control:\n  control-enable: yes\n  control-use-cert: no\n  control-interface: /run/unbound.ctl\n"
        + source
    )
    write(host, "/etc/unbound/rig.conf", config)
    host.spawn("/usr/sbin/unbound", "-d", "-p", "-c", "/etc/unbound/rig.conf")
    until(lambda: listening(host, 53, "u"), lambda: f"unbound on {host.name}: {host.said()[-800:]}")


def flush(host: RealHost, name: str = "") -> None:
    """Empty an Unbound's cache, or forget one name."""
    what = f"flush_zone {name}" if name else f"flush_zone {PARENT}"
    host.run(f"unbound-control -c /etc/unbound/rig.conf {what}")


def asked(host: RealHost, name: str, type: str, *options: str) -> list[str]:
    """What the host itself is told by `dig`, as `+short` prints it."""
    said = host.run(f"dig +short +time=1 +tries=1 {' '.join(options)} @127.0.0.1 {name} {type} || :")
    return sorted(line for line in said.splitlines() if line and not line.startswith(";"))


def update(host: RealHost, key: Key, lines: str, *, zone: str = ZONE, check: bool = True) -> str:
    """A change by `nsupdate`, at the primary itself."""
    text = f"server 127.0.0.1\nzone {zone}\n{lines.strip()}\nsend\n"
    script = f"nsupdate -y hmac-sha256:{key.name}:{key.secret} <<'END'\n{text}END"
    try:
        return host.run(script)
    except RuntimeError:
        if check:
            raise
        return "refused"


def dig(rig_pid: int, words: str, seconds: float = 5.0) -> str:
    """`dig` at the desk: all that it prints."""
    done = subprocess.run(
        ["nsenter", "-t", str(rig_pid), "-n", "dig", *words.split()],
        capture_output=True,
        text=True,
        timeout=seconds + 10,
    )
    return done.stdout
