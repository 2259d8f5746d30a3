"""Mailman: the core with the runners that lists need, behind a Postfix of the same host."""

from __future__ import annotations

from shlex import quote

from tests.real.rig import RealHost
from tests.real.world import listening, until, write

USER = "list"
"""The account that Mailman runs as, as Debian has it."""
_IDLE = ("bad", "bounces", "command", "digest", "nntp", "rest", "retry", "shunt", "task", "virgin")
_AS = f"setpriv --reuid={USER} --regid={USER} --init-groups env HOME=/tmp MAILMAN_CONFIG_FILE=/etc/mailman3/mailman.cfg"


def mailman(host: RealHost, folder: str = "/var/lib/mailman3", *, start: bool = True, pause: float = 0.2) -> None:
    """Mailman's core, with all that is its own in `folder`. It hands mail out through the host's own port 25. Each runner looks
    into its queue again after `pause` seconds."""
    idle = "".join(f"[runner.{name}]\nstart: no\n" for name in _IDLE if name != "bad")
    quick = "".join(f"[runner.{name}]\nsleep_time: {pause}s\n" for name in ("in", "pipeline", "out", "archive"))
    config = (
        "[mailman]\nsite_owner: postmaster@localhost\nlayout: rig\n"
        f"[paths.rig]\nvar_dir: {folder}\nqueue_dir: $var_dir/queue\nbin_dir: /usr/lib/mailman3/bin\n"
        "list_data_dir: $var_dir/lists\nlog_dir: /var/log/mailman3\nlock_dir: $var_dir/locks\ndata_dir: $var_dir/data\n"
        "cache_dir: $var_dir/cache\netc_dir: /etc/mailman3\next_dir: $var_dir/ext\nmessages_dir: $var_dir/messages\n"
        "archive_dir: $var_dir/archives\ntemplate_dir: $var_dir/templates\npid_file: /run/mailman3/master.pid\n"
        "lock_file: $lock_dir/master.lck\n"
        "[mta]\nincoming: mailman.mta.null.NullMTA\nlmtp_host: 127.0.0.1\nlmtp_port: 8024\nsmtp_host: 127.0.0.1\n"
        "[archiver.prototype]\nenable: yes\n[archiver.mhonarc]\nenable: no\n[archiver.mail_archive]\nenable: no\n"
        f"[archiver.hyperkitty]\nenable: no\n{idle}{quick}"
    )
    write(host, "/etc/mailman3/mailman.cfg", config)
    host.run(
        f"mkdir -p {folder} /var/log/mailman3 /run/mailman3; chown {USER}:{USER} {folder} /var/log/mailman3 /run/mailman3;"
        "chmod 644 /etc/mailman3/*.cfg"
    )
    if start:
        mailman_start(host)


def mailman_run(host: RealHost, words: str) -> str:
    """Mailman's own command."""
    return host.run(f"cd /tmp; {_AS} mailman {words} 2>&1")


def mailman_start(host: RealHost) -> None:
    """Start it, and wait until it takes mail."""
    # The command `mailman start` would do no more than this, and load all of Mailman for it.
    master = "/usr/lib/mailman3/bin/master --force -C /etc/mailman3/mailman.cfg"
    host.run(f"cd /tmp; {_AS} setsid {master} >/dev/null 2>&1 </dev/null &")
    until(
        lambda: listening(host, 8024),
        lambda: f"mailman on {host.name}: {host.run('tail -n 30 /var/log/mailman3/*', check=False)}",
        60,
    )


def mailman_python(host: RealHost, text: str) -> str:
    """Python text within Mailman, whose changes are kept. What it printed."""
    return host.run(f"cd /tmp; {_AS} python3 -c {quote(_WITHIN + text + _KEPT)}")


def mailman_words() -> str:
    """The shell text that prints what Mailman says of its lists: settings, members of each role with what they have chosen, what
    is held; but for what each post moves on."""
    return f"cd /tmp; {_AS} python3 -W ignore -c {quote(_WITHIN + _TOLD)}"


def mailing_lists(host: RealHost, lists: dict[str, list[str]], more: str = "") -> None:
    """Lists with their members, to which everybody may post, then `more` Python text. One process makes them all: each start
    takes half a second."""
    text = f"""
for name, members in {lists!r}.items():
    domain = name.partition("@")[2]
    if domain not in domains:
        domains.add(domain)
    made = create_list(name, ["postmaster@" + domain])
    made.default_nonmember_action = Action.accept
    made.send_welcome_message = False
    for address in members:
        user = users.get_user(address) or users.make_user(address)
        for known in user.addresses:
            known.verified_on = datetime(2010, 1, 1)
            user.preferred_address = known
        made.subscribe(user.preferred_address)
"""
    mailman_python(host, text + more)


_WITHIN = """
import os
from datetime import datetime
from email import message_from_bytes
from mailman.core.initialize import initialize
initialize("/etc/mailman3/mailman.cfg")
from mailman.app.lifecycle import create_list
from mailman.app.moderator import handle_message, hold_message
from mailman.archiving.prototype import Prototype
from mailman.chains.hold import HeldMessagePendable
from mailman.config import config
from mailman.email.message import Message
from mailman.interfaces.action import Action
from mailman.interfaces.bans import IBanManager
from mailman.interfaces.domain import IDomainManager
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.mailinglist import IAcceptableAliasSet, IHeaderMatchList, SubscriptionPolicy
from mailman.interfaces.member import DeliveryMode, DeliveryStatus, MemberRole
from mailman.interfaces.pending import IPendings
from mailman.interfaces.requests import IListRequests, RequestType
from mailman.interfaces.subscriptions import ISubscriptionManager
from mailman.interfaces.template import ITemplateManager
from mailman.interfaces.usermanager import IUserManager
from zope.component import getUtility
users, domains, lists = getUtility(IUserManager), getUtility(IDomainManager), getUtility(IListManager)
"""
_TOLD = """
from mailman.model.mailinglist import MailingList
passing = "last_post_at", "post_id", "digest_last_sent_at", "next_digest_number", "volume"
for one in sorted(lists, key=lambda one: one.fqdn_listname):
    print("list", one.fqdn_listname)
    for column in MailingList.__mapper__.column_attrs:
        if column.key not in passing:
            print(" ", column.key, repr(getattr(one, column.key)))
    for role in MemberRole:
        for member in sorted(one.get_roster(role).members, key=lambda member: member.address.email):
            chosen = member.delivery_mode, member.delivery_status, member.moderation_action, member.receive_list_copy
            print(" ", role, member.address.email, *chosen)
    print("  held", sorted(request.key for request in IListRequests(one).held_requests))
"""
_KEPT = "\nconfig.db.commit()\n"
