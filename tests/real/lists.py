"""Two hosts with Mailman: lists with some of everything on the old one, other lists and people who are on both on the new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial
from tests.real.world.mailman import mailing_lists, mailman

CAFE = "cafe.a_b-c@lists.test"
NEWS = "news@lists.test"
LIST_ID = CAFE.replace("@", ".")
DATABASE = "/var/lib/mailman3/data/mailman.db"
BOTH = f"sqlite3 {DATABASE} .dump | sort; cd /var/lib/mailman3; find archives data lists messages -type f | sort"
FURNISH = f"""
cafe = lists.get({CAFE!r})
cafe.description = {EVIL!r}
cafe.accept_these_nonmembers = ['^.*@friends[.]test$']
cafe.moderator_password = b'secret'
cafe.admin_immed_notify = False
cafe.subscription_policy = SubscriptionPolicy.moderate
IAcceptableAliasSet(cafe).add('cafe@elsewhere.test')
IHeaderMatchList(cafe).append('x-spam', {EVIL!r}, 'discard')
IBanManager(cafe).ban('^.*@spam[.]test$')
getUtility(ITemplateManager).set('list:member:regular:footer', cafe.list_id, 'mailman:///footer.txt', 'me', 'secret')
ann = users.get_user('ann@lists.test')
ann.preferences.delivery_mode = DeliveryMode.mime_digests
ann.display_name = {EVIL!r}
second = ann.register('ann@second.test')
bo = cafe.members.get_member('bo@lists.test')
bo.preferences.delivery_status = DeliveryStatus.by_user
bo.bounce_score = 3
loose = users.create_address('carl@lists.test', 'Carl')
for role in MemberRole.owner, MemberRole.moderator, MemberRole.nonmember:
    cafe.subscribe(loose, role)
def message(number):
    head = f'From: eve@lists.test\\nSubject: {{number}}\\nMessage-ID: <{{number}}@lists.test>\\nTo: '
    return message_from_bytes((head + cafe.posting_address + '\\n\\nhé\\n').encode(), Message)
for number in range(3):
    Prototype.archive_message(cafe, message(number))
number = hold_message(cafe, message('held'), {{'to': [1]}}, 'no member')
getUtility(IPendings).add(HeldMessagePendable(id=number, list_id=cafe.list_id))
address = users.create_address('dora@lists.test', 'Dora')
ISubscriptionManager(cafe).register(address, pre_verified=True, pre_confirmed=True)
with open(os.path.join(cafe.data_path, 'digest.mmdf'), 'w') as file:
    file.write('begun')
"""
WORKS = f"""
cafe, ann = lists.get({CAFE!r}), users.get_user('ann@lists.test')
print(ann.display_name == '' and ann.preferences.delivery_mode is DeliveryMode.plaintext_digests)
print(cafe.members.get_member('ann@lists.test').delivery_mode is DeliveryMode.mime_digests)
print(users.get_user('ann@second.test') is ann)
requests = IListRequests(cafe)
number = requests.of_type(RequestType.held_message)[0].id
print([data['id'] for _, data in getUtility(IPendings).find(cafe, 'held message')] == [number])
handle_message(cafe, number, Action.accept)
print(requests.count == 0 and len(os.listdir(config.QUEUE_DIR + '/pipeline')) == 1)
token = next(token for token, data in getUtility(IPendings).find(cafe, 'subscription'))
ISubscriptionManager(cafe).confirm(token)
print(cafe.members.get_member('dora@lists.test').address.email == 'dora@lists.test')
"""
KNOWN = """
ann = users.get_user('ann@lists.test')
ann.preferences.delivery_mode = DeliveryMode.plaintext_digests
ann.preferences.acknowledge_posts = True
users.make_user("dora@lists.test")
bo = users.get_address('bo@lists.test')
bo.preferences.receive_own_postings = False
"""


def old_host(rig: Rig) -> RealHost:
    """The old host: two lists."""
    host = rig.host("etch")
    mailman(host, start=False)
    mailing_lists(host, {CAFE: ["ann@lists.test", "bo@lists.test"], NEWS: ["ann@lists.test"]}, FURNISH)
    return host


def new_host(rig: Rig) -> RealHost:
    """The new host: a list of another domain, with members of the old one's."""
    host = rig.host("lun")
    mailman(host, start=False)
    mailing_lists(host, {"other@other.test": ["ann@lists.test", "bo@lists.test"]}, KNOWN)
    return host


def carried(etch: RealHost, lun: RealHost, file: str) -> None:
    """What a sync step between the two does."""
    (lun.root / file.lstrip("/")).write_bytes((etch.root / file.lstrip("/")).read_bytes())


def exported(etch: RealHost, lun: RealHost, file: str = "/root/lists.tar", **more: str) -> str:
    """The lists of the old host, on the new one."""
    export = Trial(etch, "mailman-export", {"file": file, **more})
    export.capture()
    export.must("apply")
    export.must("verify")
    carried(etch, lun, file)
    export.must("undo")
    return file


@contextmanager
def broken(host: RealHost) -> Iterator[None]:
    """Mailman's database is away for a while."""
    host.run(f"mv {DATABASE} {DATABASE}.away")
    try:
        yield
    finally:
        host.run(f"mv {DATABASE}.away {DATABASE}")
