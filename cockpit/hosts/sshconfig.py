"""What ~/.ssh/config says of a host, as OpenSSH itself reads it (`ssh -G`, ssh_config(5)), and what of it we cannot follow."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cockpit import child
from cockpit.text import harmless


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOLLOWED = _words(
    """
    hostname user port identityfile certificatefile identityagent identitiesonly proxyjump proxycommand
    userknownhostsfile globalknownhostsfile hostkeyalias serveraliveinterval serveralivecountmax connecttimeout
    addressfamily bindaddress hostkeyalgorithms kexalgorithms ciphers macs casignaturealgorithms
    pubkeyacceptedalgorithms preferredauthentications passwordauthentication kbdinteractiveauthentication
    pubkeyauthentication compression forwardagent stricthostkeychecking rekeylimit
    """
)
"""Keywords that we act on. Of StrictHostKeyChecking only the strict half: no key is ever accepted in silence."""

_NO_MATTER = _words(
    """
    host addkeystoagent batchmode canonicaldomains canonicalizefallbacklocal canonicalizehostname
    canonicalizemaxdots canonicalizepermittedcnames checkhostip clearallforwardings connectionattempts
    controlmaster controlpath controlpersist dynamicforward enableescapecommandline escapechar exitonforwardfailure
    fingerprinthash forkafterauthentication gssapiauthentication forwardx11 forwardx11timeout forwardx11trusted gatewayports
    hashknownhosts identityagentonly ipqos localcommand localforward loglevel logverbose numberofpasswordprompts
    permitlocalcommand permitremoteopen remotecommand remoteforward requesttty sendenv sessiontype setenv stdinnull
    streamlocalbindmask streamlocalbindunlink syslogfacility tag tcpkeepalive tunnel tunneldevice updatehostkeys
    visualhostkey xauthlocation
    """
)
"""Keywords that change nothing for what we use a connection for, or that OpenSSH has acted on before it answered."""

_TROUBLE = {
    "verifyhostkeydns": "host keys in DNS are not looked up: pin the key in the plan or have it in known_hosts",
    "knownhostscommand": "no command is asked for host keys: pin the key in the plan or have it in known_hosts",
    "pkcs11provider": "keys on a PKCS#11 token work through an agent: ssh-add -s it",
    "securitykeyprovider": "keys on a FIDO token work through an agent: ssh-add them",
    "proxyusefdpass": "a proxy that passes a descriptor cannot be used: let it carry the bytes",
    "hostbasedauthentication": "host-based authentication is not used: use a key",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a host is reached, as far as ssh_config says. `asked` is the name it was asked under; `limits` are sentences about
    what is configured and not followed here."""

    asked: str
    hostname: str
    user: str
    port: int = 22
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    identity_agent: str = ""
    """A socket's path; `none` for no agent, empty for $SSH_AUTH_SOCK."""
    identities_only: bool = False
    jumps: tuple[str, ...] = ()
    """Hosts to go through, in order, as `[user@]host[:port]`."""
    proxy: str = ""
    """A command whose standard input and output are the connection, its tokens expanded."""
    known_hosts: tuple[str, ...] = ()
    alias: str = ""
    """The name that the host's key is known under, where it is another one."""
    alive_every: int = 0
    alive_count: int = 3
    connect_timeout: float = 0.0
    algorithms: dict[str, str] = {}
    """Lists that differ from OpenSSH's defaults: `hostkeyalgorithms`, `kexalgorithms`, `ciphers`, `macs`."""
    methods: str = ""
    passwords: bool = True
    family: str = "any"
    bind: str = ""
    limits: tuple[str, ...] = ()


def target(ssh: str) -> tuple[str, str, int]:
    """The user, name and port of `[user@]name[:port]`; '' and 0 where it does not say. An IPv6 address with a port is in
    brackets."""
    user, _, rest = ssh.rpartition("@")
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") == 1:
        name, _, port = rest.partition(":")
    else:
        name, port = rest, ""
    return user, name, int(port) if port.isdigit() else 0


def parse(text: str) -> dict[str, list[str]]:
    """What `ssh -G` printed, by lower-case keyword; a keyword may come several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, value = line.strip().partition(" ")
        if word:
            found.setdefault(word.lower(), []).append(value.strip())
    return found


def settings(asked: str, said: Mapping[str, list[str]], plain: Mapping[str, list[str]]) -> Settings:
    """The settings of a host from what `ssh -G` says with the configuration (`said`) and without any (`plain`)."""

    def one(word: str, otherwise: str = "") -> str:
        value = said.get(word, [otherwise])[0]
        return otherwise if value == "none" and word not in {"identityagent"} else value

    def differs(word: str) -> bool:
        return said.get(word) != plain.get(word)

    limits = [
        f"{asked}: ssh_config sets {word} {harmless(' '.join(values), 80)}: {_TROUBLE.get(word, 'it is not followed here')}"
        for word, values in said.items()
        if word not in FOLLOWED and word not in _NO_MATTER and differs(word)
    ]
    if differs("stricthostkeychecking") and one("stricthostkeychecking") in {"false", "no", "off", "accept-new"}:
        limits.append(f"{asked}: ssh_config turns StrictHostKeyChecking down: host keys are verified here all the same")
    user, hostname, port = one("user") or getpass.getuser(), one("hostname", asked), int(one("port", "22"))
    tokens = {
        "h": hostname,
        "n": asked,
        "p": str(port),
        "r": user,
        "u": getpass.getuser(),
        "%": "%",
        "d": str(Path.home()),
    }
    return Settings(
        asked=asked,
        hostname=hostname,
        user=user,
        port=port,
        identity_files=tuple(_expanded(file, tokens) for file in said.get("identityfile", ())),
        certificate_files=tuple(_expanded(file, tokens) for file in said.get("certificatefile", ())),
        identity_agent=_agent(one("identityagent"), tokens),
        identities_only=one("identitiesonly") in {"yes", "true"},
        jumps=tuple(hop.strip() for hop in one("proxyjump").split(",") if hop.strip()),
        proxy=_tokens(one("proxycommand"), tokens),
        known_hosts=tuple(
            _expanded(file, tokens)
            for word in ("userknownhostsfile", "globalknownhostsfile")
            for file in one(word).split()
        ),
        alias=one("hostkeyalias"),
        alive_every=int(one("serveraliveinterval", "0")),
        alive_count=int(one("serveralivecountmax", "3")),
        connect_timeout=float(one("connecttimeout", "0")),
        algorithms={
            word: one(word) for word in ("hostkeyalgorithms", "kexalgorithms", "ciphers", "macs") if differs(word)
        },
        methods=one("preferredauthentications"),
        passwords=one("passwordauthentication", "yes") in {"yes", "true"},
        family=one("addressfamily", "any"),
        bind=one("bindaddress"),
        limits=tuple(limits),
    )


def _agent(value: str, tokens: Mapping[str, str]) -> str:
    return "" if value in {"", "SSH_AUTH_SOCK"} else value if value == "none" else _expanded(value, tokens)


def _expanded(file: str, tokens: Mapping[str, str]) -> str:
    return str(Path(_tokens(file.strip('"'), tokens)).expanduser())


def _tokens(text: str, tokens: Mapping[str, str]) -> str:
    out, rest = "", text
    while "%" in rest:
        before, _, rest = rest.partition("%")
        out += before + tokens.get(rest[:1], "%" + rest[:1])
        rest = rest[1:]
    return out + rest


async def look_up(ssh: str, config: str = "") -> Settings:
    """What ssh_config says of `[user@]name[:port]`. `config` is a file to read in place of ~/.ssh/config and the system's.

    Where OpenSSH's client is not installed the configuration cannot be judged: then nothing of it is followed, and `limits` says
    so when there is one. Raises ValueError with OpenSSH's own sentence when the configuration is wrong."""
    user, name, port = target(ssh)
    program = shutil.which("ssh")
    if program is None:
        own = Path(config) if config else Path.home() / ".ssh/config"
        limits = (f"{name}: {own} is not followed: OpenSSH's client, which reads it, is not installed",)
        return Settings(
            asked=name,
            hostname=name,
            user=user or getpass.getuser(),
            port=port or 22,
            identity_files=tuple(str(Path.home() / ".ssh" / file) for file in ("id_ed25519", "id_ecdsa", "id_rsa")),
            known_hosts=(str(Path.home() / ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"),
            limits=limits if own.exists() else (),
        )
    words = [program, "-G", *(["-p", str(port)] if port else []), *(["-l", user] if user else [])]
    said, plain = await asyncio.gather(
        _asked([*words, *(["-F", config] if config else []), "--", name]),
        _asked([*words, "-F", "none", "--", name]),
    )
    return settings(name, parse(said), parse(plain))


async def _asked(words: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            await child.end(process)
    if process.returncode != 0:
        raise ValueError(f"ssh_config cannot be used: {harmless(err.strip(), 300)}")
    return out.decode("utf-8", "replace")


FAMILIES = {"any": 0, "inet": int(socket.AF_INET), "inet6": int(socket.AF_INET6)}
