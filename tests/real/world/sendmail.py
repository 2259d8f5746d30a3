"""Sendmail for one domain, unpacked beside Postfix: its configuration made with m4 as Debian's is, mailboxes in mbox files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.real.rig import RealHost
from tests.real.world import lacking, listening, until, write

SENDMAIL = Path("/opt/sendmail")
"""Where Sendmail is unpacked: as packages, it and Postfix exclude each other."""
PROGRAM = SENDMAIL / "usr/libexec/sendmail"
CF = SENDMAIL / "usr/share/sendmail/cf"

_WHY = lacking() or ("" if (PROGRAM / "sendmail").exists() else f"sendmail is not unpacked in {SENDMAIL}")
needs_sendmail = pytest.mark.skipif(bool(_WHY), reason=_WHY)
"""Marks what needs Sendmail."""

HOOK = r"""
LOCAL_CONFIG
Kcutover hash -o /etc/mail/cutover
LOCAL_RULE_0
R$+ < @ $* $~. >	$: $1 < @ $2 $3 . >
R$+ < @ $+ . >	$: $(cutover $2 $: @ $) $| $1 < @ $2 . >
R@ $| $+	$: $1
R$- : $+ $| $+ < @ $+ . >	$# $1 $@ $2 $: $3 < @ $4 . >
"""
"""What the recipes sendmail-hold and sendmail-redirect ask for."""
HOLD = "Mhold, P=/usr/bin/awk, F=lsDFMn, T=DNS/RFC822/X-Unix, A=awk BEGIN{exit(75)} $u\n"
LOG = "/var/log/mail.log"
# There is no syslog here: what would go there is told as debugging output, too.
DAEMON = ("/usr/sbin/sendmail", "-bD", "-q2s", "-D", LOG, "-d89.10")


def sendmail(
    host: RealHost,
    name: str,
    domain: str,
    users: tuple[str, ...] = (),
    *,
    hook: str = HOOK + HOLD,
    virtual: Sequence[str] = (),
    table: str = "/etc/mail/virtusertable",
    routes: Mapping[str, str] | None = None,
) -> None:
    """Sendmail under `name` for `domain`; mail of `users` lands in /var/mail, by its own mail.local, which locks a mailbox as mail
    programs do. It looks names up in files alone. The addresses of the domains `virtual` stand in `table`, beside those of
    `domain`; `routes` (domain → address) is where it hands mail on to. What it logs stands in LOG."""
    for user in users:
        host.run(f"id {user} >/dev/null 2>&1 || useradd -m {user}")
    local, _, mailers = hook.partition("Mhold")
    config = f"""divert(-1)
define(`_CF_DIR_', `{CF}/')
divert(0)include(`{CF}/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{name}')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0s')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`STATUS_FILE', `/var/lib/sendmail.st')dnl
define(`HELP_FILE', `/etc/mail/helpfile')dnl
undefine(`ALIAS_FILE')dnl
define(`LOCAL_MAILER_PATH', `/usr/sbin/mail.local')dnl
define(`LOCAL_MAILER_ARGS', `mail.local -f $g -d $u')dnl
define(`LOCAL_MAILER_FLAGS', `Sn')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
FEATURE(`nocanonify')dnl
FEATURE(`use_cw_file')dnl
FEATURE(`mailertable', `hash -o /etc/mail/mailertable')dnl
FEATURE(`virtusertable', `hash -o {table}')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=smtp')dnl
{local}
MAILER_DEFINITIONS
{"Mhold" + mailers if mailers else ""}
MAILER(`local')dnl
MAILER(`smtp')dnl
"""
    write(host, "/etc/mail/sendmail.mc", config)
    write(host, "/etc/mail/service.switch", "hosts files\naliases files\npasswd files")
    write(host, "/etc/mail/local-host-names", "\n".join((domain, name, "localhost", *virtual)))
    write(host, "/etc/mail/mailertable", "\n".join(f"{of}\tesmtp:[{to}]" for of, to in (routes or {}).items()))
    # It waits a minute for a name of its own with a dot in it.
    host.run(f"grep -q ' {name}' /etc/hosts || echo '{host.address} {name} {host.name}' >> /etc/hosts")
    host.run(
        f"cp {PROGRAM}/sendmail {PROGRAM}/makemap {PROGRAM}/mail.local /usr/sbin/; cp -a {SENDMAIL}/usr/lib/*/liblockfile.so.1* /usr/lib/;"
        "chmod 755 /usr/sbin/sendmail /usr/sbin/mail.local; ln -sf ../sbin/sendmail /usr/bin/mailq;"
        "rm -f /etc/mail/submit.cf; cd /etc/mail;"
        f"$(command -v m4 || echo {SENDMAIL}/usr/bin/m4) sendmail.mc > sendmail.cf; touch cutover mailertable {table};"
        f"for of in cutover mailertable {table}; do makemap hash $of < $of; done; chmod 755 /etc/mail; chmod 644 /etc/mail/*;"
        "mkdir -p /var/spool/mqueue /var/mail /var/log; chmod 700 /var/spool/mqueue; chmod 1777 /var/mail;"
        "getent group smmsp >/dev/null || groupadd -r smmsp; id smmsp >/dev/null 2>&1 || useradd -r -g smmsp smmsp"
    )
    host.spawn(*DAEMON)
    until(lambda: listening(host, 25), lambda: f"sendmail on {host.name}: {host.said()[-800:]}", 30)
