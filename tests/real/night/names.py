"""How people find hosts: through a resolver, with a cache that keeps to TTLs, as a browser or a mail server does."""

from __future__ import annotations

import time

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

ATTEMPTS = (5.0, 5.0, 10.0)
"""Seconds for which an answer is waited for, each time that it is asked."""


class NoAnswer(OSError):
    """The name cannot be looked up now."""


class Names:
    """Looks names up at one resolver. Used by many threads, each of which stands where the resolver can be reached."""

    def __init__(self, resolver: str) -> None:
        self._resolver = resolver
        self._kept: dict[tuple[str, str], tuple[float, list[str]]] = {}

    def address(self, name: str) -> str:
        """The IPv4 address of a name. Raises NoAnswer."""
        found = self._ask(name, "A")
        if not found:
            raise NoAnswer(f"{name} has no address")
        return found[0]

    def exchange(self, domain: str) -> str:
        """The address to which mail of a domain goes: the best MX, else the name itself. Raises NoAnswer."""
        best = sorted(self._ask(domain, "MX"), key=lambda text: int(text.split()[0]))
        return self.address(best[0].split()[1].rstrip(".") if best else domain)

    def _asked(self, name: str, type: str) -> dns.message.Message:
        """Ask as everybody's resolver library does: again, when nothing comes."""
        why = ""
        for seconds in ATTEMPTS:
            try:
                return dns.query.udp(dns.message.make_query(name, type), self._resolver, timeout=seconds)
            except dns.exception.Timeout as error:
                why = str(error)
            except (OSError, dns.exception.DNSException) as error:
                raise NoAnswer(f"{name}: {error}") from None
        raise NoAnswer(f"{name}: {why}")

    def _ask(self, name: str, type: str) -> list[str]:
        now = time.monotonic()
        until, texts = self._kept.get((name, type), (0.0, []))
        if now < until:
            return texts
        answer = self._asked(name, type)
        wanted = dns.rdatatype.from_text(type)
        sets = [rrset for rrset in answer.answer if rrset.rdtype == wanted]
        texts = [item.to_text() for rrset in sets for item in rrset]
        if sets:
            self._kept[name, type] = (now + min(rrset.ttl for rrset in answer.answer), texts)
        return texts


class Fixed(Names):
    """People with an /etc/hosts: every name of a domain is at one address."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._address = address

    def address(self, name: str) -> str:
        """That address."""
        return self._address
