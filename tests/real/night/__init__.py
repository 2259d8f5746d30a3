"""What every migration's test stands on: a whole night on real daemons, with people on the services all the time.

A migration's test has five parts, each in its module:

1. `stage`: hosts of a rig (`rig.host`), their daemons (`tests.real.world`, `app.serve` for a small web application), and
   `stage.plant`, which puts an example's plan into a folder with this stage's addresses in place of the samples.
2. `traffic.Crowd`: people on a further host. They find names through a real resolver, and browse, write, send mail, log in
   over SSH and sit in a line-based game until they are sent home. Each act has a number and goes into `crowd.ledger`.
3. `night.conducting`: the conductor, at the rig's desk, and somebody who drives it over its socket: `go()` to the end or up to
   a step, gates opened, people answered; `back()` from the last safe point. Whatever fails raises `Wrong` with its output.
4. `accountant.Accountant`: compares the ledger with what lies on the hosts, and reads the journal. `settle()` raises with
   every sentence of what was lost, doubled or not verified.
5. `wayback.remember`: the old host before the night, to the byte. `differences` says what is not as it was.

The shape of a test:

    with Crowd(world, Names(resolver.address)) as crowd:  # people are there before anything happens
        crowd.write("shop", "http://shop.test/write")
        await crowd.see("write", "shop")
        before = wayback.remember(old, ["/srv", "/etc/apache2"], asked={"users": "getent passwd"})
        async with conducting(tmp_path / "run", plan) as night:
            await night.go()                              # or: await night.go(before="promote"); await night.back()
            await crowd.see("write", "shop", by="new")    # people are still there
        crowd.home()                                      # mail that waits outside is delivered first
    books = Accountant(crowd.ledger)
    books.writes("shop", found=numbers(new, "/srv/shop/writes"))
    books.messages("shop", found=in_maildir(new, "/srv/shop/Maildir"))
    books.journal(tmp_path / "run")
    books.settle()

Tests that use it stand at the desk (fixture `desk`), since the conductor is started from there.
"""
