"""Mailman's lists are written down, compared, exported and brought into another Mailman, which then serves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until
from tests.real.world.mailman import mailing_lists, mailman, mailman_python

pytestmark = needs_world

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


@pytest.fixture(scope="module")
def etch(rig: Rig) -> RealHost:
    """The old host: two lists."""
    host = rig.host("etch")
    mailman(host, start=False)
    mailing_lists(host, {CAFE: ["ann@lists.test", "bo@lists.test"], NEWS: ["ann@lists.test"]}, FURNISH)
    return host


@pytest.fixture(scope="module")
def lun(rig: Rig) -> RealHost:
    """The new host: a list of another domain, with a member of the old one."""
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
    return file


@contextmanager
def broken(host: RealHost) -> Iterator[None]:
    """Mailman's database is away for a while."""
    host.run(f"mv {DATABASE} {DATABASE}.away")
    try:
        yield
    finally:
        host.run(f"mv {DATABASE}.away {DATABASE}")


def test_lists_are_written_down_and_taken_back(etch: RealHost) -> None:
    file = f"/root/{EVIL.replace('/', '|')}"
    figures = Trial(etch, "mailman-figures", {"figures": file}, "ls -la --time-style=+ /root")
    figures.there_and_back()
    figures.cut_anywhere()
    figures.there()
    assert "2 lists with 3 members, 1 held and 3 archived messages" in figures.must("verify")
    assert etch.run("stat -c %a /root/it*") == "600\n"
    mailman_python(etch, f"lists.get({CAFE!r}).description = 'another'")
    assert "not those" in figures.must("verify", 1)
    mailman_python(etch, f"lists.get({CAFE!r}).description = {EVIL!r}")
    figures.must("verify")
    figures.back()
    evil = Trial(etch, "mailman-figures", {"figures": file, "lists": f"{CAFE} {EVIL}"})
    assert "there is no list it's" in evil.must("apply", 1)
    assert not evil_left(etch)


def test_an_export_is_whole_or_it_is_not_there(etch: RealHost) -> None:
    export = Trial(etch, "mailman-export", {"file": f"/root/{EVIL.replace('/', '|')}"}, "ls -la --time-style=+ /root")
    before = export.seen()
    export.there_and_back()
    export.cut_anywhere()
    # What Mailman has not sent yet would stay behind.
    mailman_python(etch, f"config.switchboards['out'].enqueue(Message(), listid=lists.get({CAFE!r}).list_id)")
    export.capture()
    assert "queues: 1 in out" in export.must("apply", 1)
    Trial(etch, "mailman-export", {**export.params, "lists": "news@lists.test"}).must("apply")
    Trial(etch, "mailman-export", {**export.params, "queued": "leave"}).must("apply")
    etch.run("rm /var/lib/mailman3/queue/out/*")
    export.must("undo")
    assert "no list" in Trial(etch, "mailman-export", {**export.params, "lists": EVIL}).must("apply", 1)
    with broken(etch):
        assert "Mailman cannot be asked" in export.must("apply", 1)
    assert export.seen() == before
    assert not evil_left(etch)


def test_s32_lists_are_brought_over_and_taken_away_again(etch: RealHost, lun: RealHost) -> None:
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun)}, BOTH)
    before = copy.seen()
    copy.there_and_back()
    copy.cut_anywhere()
    with broken(lun):
        assert "Mailman cannot be asked" in copy.must("probe", 2)
        assert "Mailman cannot be asked" in copy.must("apply", 2)
    assert copy.seen() == before
    lun.run("head -c 30000 /root/lists.tar >/root/cut.tar; mkdir /var/lib/mailman3/lists/" + LIST_ID)
    cut = Trial(lun, "mailman-copy", {"file": "/root/cut.tar"}, BOTH)
    cut.capture()
    cut.must("apply", 2)
    cut.must("undo")
    assert copy.seen() == before


def test_s32_what_was_brought_over_is_the_same_and_at_work(etch: RealHost, lun: RealHost) -> None:
    figures = Trial(etch, "mailman-figures", {"figures": "/root/figures"})
    figures.capture()
    figures.must("apply")
    carried(etch, lun, "/root/figures")
    counts = Trial(lun, "mailman-counts", {"figures": "/root/figures"}, BOTH)
    assert f"{CAFE} is not here; news@lists.test is not here" in counts.must("verify", 1)
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun)})
    copy.there()
    counts.there_and_back(already=False)
    assert "2 lists with 3 members, 1 held and 3 archived messages are the same" in counts.must("verify")
    # Somebody joins, and somebody's choice is another one.
    mailman_python(lun, f"lists.get({CAFE!r}).subscribe(users.create_address('fay@lists.test'))")
    assert "1 more" in counts.must("verify")
    assert "1 more" in copy.must("verify")
    mailman_python(lun, f"lists.get({CAFE!r}).members.get_member('bo@lists.test').preferences.delivery_status = None")
    mailman_python(lun, f"lists.get({CAFE!r}).description = 'another'")
    lun.run("cd /var/lib/mailman3/archives/prototype/cafe*/new; set -- *; echo more >>$1; rm $2")
    said = counts.must("verify", 1)
    for word in (
        "description is",
        "bo@lists.test has delivery_status 2 there, 1 here",
        "2 archived messages are missing",
    ):
        assert word in said
    assert "description is another one here" in copy.must("verify", 1)
    again = Trial(lun, "mailman-copy", {"file": exported(etch, lun, "/root/news.tar", lists="news@lists.test")})
    assert "news@lists.test is here already" in again.ask("capture").said
    assert "news@lists.test is here already" in again.must("apply", 1)
    assert mailman_python(lun, WORKS).split() == ["True"] * 6
    copy.must("undo")
    copy.must("verify_undo")
    counts.must("verify", 1)
    Trial(lun, "mailman-counts", {"figures": "/root/nothing"}).must("verify", 2)
    lun.run("sed -i '$d' /root/figures")
    assert "not whole" in counts.must("verify", 2)


def test_s38_init_s_recipes_start_and_stop_mailman_which_serves_what_was_brought(etch: RealHost, lun: RealHost) -> None:
    copy = Trial(lun, "mailman-copy", {"file": exported(etch, lun)}, BOTH)
    before = copy.seen()
    copy.capture()
    copy.must("apply")
    lun.run("update-rc.d mailman3 disable")
    service = {"name": "mailman3", "port": "8024"}
    start = Trial(lun, "sysv-start", service, "ss -Hlnt 'sport = :8024' | wc -l; ls /etc/rc2.d | grep mailman3")
    start.there()
    post = f"From: ann@lists.test\\nTo: {NEWS}\\nSubject: first here\\nMessage-ID: <first@here>\\n\\nhello\\n"
    lun.run(
        f"printf '{post}' | curl -sS --url lmtp://127.0.0.1:8024 --mail-from ann@lists.test --mail-rcpt {NEWS} -T -"
    )
    archive = f"/var/lib/mailman3/archives/prototype/{NEWS}/new"
    until(lambda: lun.run(f"grep -l first@here {archive}/*", check=False), lambda: f"a post on {NEWS}", 60)
    copy.must("verify")
    stop = Trial(lun, "sysv-stop", {**service, "process": "python3"}, start.state)
    stop.there()
    stop.back()
    start.back()
    assert not lun.run("pgrep -u list", check=False)
    copy.must("undo")
    assert copy.seen() == before
