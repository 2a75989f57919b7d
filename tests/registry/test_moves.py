"""Aliases: a history with a pointer; a bare name is answered by what was promoted; what is in use stays."""

import datetime
import sqlite3
import threading

import pytest
from sqlalchemy import text

from postgrad.errors import ModelError, UsageError
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import NotPromotedError
from postgrad.registry.names import Names
from tests.registry.test_catalogue import add


def three(name="tickets"):
    catalogue = Catalogue()
    for blob in "abc":
        add(catalogue, name, blob=f"sha256:{blob}")
    return catalogue


def test_roll_back_goes_back_as_often_as_there_is_something_before():
    catalogue = three()
    for version in (1, 2, 3):
        catalogue.promote(f"tickets@{version}")
    assert [catalogue.rollback("tickets").version for _ in range(2)] == [2, 1]
    with pytest.raises(UsageError, match="no earlier version"):
        catalogue.rollback("tickets")
    assert catalogue.get("tickets").version == 1
    assert [catalogue.forward("tickets").version for _ in range(2)] == [2, 3]
    with pytest.raises(UsageError, match="No move"):
        catalogue.forward("tickets")


def test_a_promotion_after_a_roll_back_stands_last():
    catalogue = three()
    catalogue.promote("tickets@1")
    catalogue.promote("tickets@2")
    catalogue.rollback("tickets")
    catalogue.promote("tickets@3", reason="better by 4 points", evidence={"n": 40})
    assert catalogue.get("tickets").version == 3
    with pytest.raises(UsageError, match="No move"):
        catalogue.forward("tickets")
    assert catalogue.rollback("tickets").version == 1, "what was taken back is not gone back to"
    moves = catalogue.history("tickets")
    assert [(m.version, m.undone is not None, m.standing) for m in moves] == [
        (1, False, True),
        (2, True, False),
        (3, True, False),
    ]
    assert moves[2].reason == "better by 4 points" and moves[2].evidence == {"n": 40}


def test_the_same_version_twice_is_one_move():
    catalogue = three()
    for version in (1, 2, 2):
        catalogue.promote(f"tickets@{version}")
    assert catalogue.rollback("tickets").version == 1


def test_a_deleted_version_is_gone_back_past():
    catalogue = three()
    for version in (1, 2, 3):
        catalogue.promote(f"tickets@{version}")
    catalogue.delete("tickets@2")
    assert catalogue.rollback("tickets").version == 1


def test_aliases_do_not_mix():
    catalogue = three()
    catalogue.promote("tickets@1")
    catalogue.promote("tickets@3", "candidate")
    assert catalogue.aliases("tickets") == {"production": 1, "candidate": 3}
    assert catalogue.get("tickets@candidate").version == 3 and catalogue.get("tickets").version == 1
    for odd in ("7", "Pro duction", "", "a/b", "@"):
        with pytest.raises(UsageError, match="no name for an alias"):
            catalogue.promote("tickets@1", odd)


def test_a_bare_name_is_answered_by_what_was_promoted_alone():
    catalogue = Catalogue()
    add(catalogue, details={"recommendation": "few_shot"})
    assert catalogue.get("tickets").version == 1, "to be looked at"
    with pytest.raises(NotPromotedError, match="few_shot") as told:
        catalogue.serving("tickets")
    assert "postgrad models promote tickets@1" in told.value.mend
    assert catalogue.serving("tickets@1").version == 1
    catalogue.promote("tickets@1")
    add(catalogue, blob="sha256:worse")
    assert catalogue.serving("tickets").version == 1 and catalogue.newest("tickets").version == 2
    assert catalogue.answering() == {"tickets@1"}
    with pytest.raises(ModelError, match="no registered model"):
        catalogue.serving("nobody")


def test_the_first_version_that_a_verdict_recommends_is_promoted_by_itself():
    catalogue = Catalogue()
    add(catalogue)
    add(catalogue, blob="sha256:b", production="its verdict recommends it")
    add(catalogue, blob="sha256:c", production="its verdict recommends it")
    assert catalogue.serving("tickets").version == 2
    (move,) = catalogue.history("tickets")
    assert move.reason == "its verdict recommends it"
    catalogue.promote("tickets@3")
    catalogue.rollback("tickets")
    add(catalogue, blob="sha256:d", production="its verdict recommends it")
    assert catalogue.serving("tickets").version == 2, "never again by itself"


def test_a_jobs_model_is_asked_by_its_own_name():
    catalogue = Catalogue()
    add(catalogue, name="ft:tiny:me", details={"job": "ftjob-1"})
    assert catalogue.serving("ft:tiny:me").version == 1 and catalogue.answering() == {"ft:tiny:me@1"}


def test_what_is_in_use_is_not_deleted():
    from postgrad.registry.job_tables import JobRow

    catalogue = three()
    Names(catalogue).point("ft:old", "tickets@2", {})
    with pytest.raises(UsageError, match="ft:old"):
        catalogue.delete("tickets@2")
    catalogue.promote("tickets@1", "candidate")
    with pytest.raises(UsageError, match="candidate"):
        catalogue.delete("tickets@1")
    fields = {c.name: "x" for c in JobRow.__table__.columns if not c.nullable and c.type.python_type is str}
    numbers = {c.name: 0 for c in JobRow.__table__.columns if not c.nullable and c.type.python_type is int}
    with catalogue.session() as session:
        row = JobRow(**{**fields, **numbers, "id": "ftjob-9", "status": "running", "start": "tickets@3"})
        row.number = None
        row.method, row.hyperparameters, row.extra, row.integrations = {}, {}, {}, []
        session.add(row)
    with pytest.raises(UsageError, match="ftjob-9"):
        catalogue.delete("tickets@3")
    with catalogue.session() as session:
        session.execute(text("update jobs set status = 'succeeded'"))
    catalogue.delete("tickets@3")


def test_an_older_registry_goes_on_answering(own_home):
    """Names that nothing was promoted of were answered by their newest version: an upgrade changes nobody's answers."""
    catalogue = three()
    add(catalogue, name="other")
    catalogue.promote("other@1")
    add(catalogue, name="ft:x", details={"job": "j"})
    catalogue.engine.dispose()
    with sqlite3.connect(own_home / "catalogue.db") as db:
        db.execute("drop table exports")
        for column in ("undone", "reason", "evidence"):
            db.execute(f"alter table aliases drop column {column}")
        db.execute("update alembic_version set version_num = '0006_deaths'")
    catalogue = Catalogue()
    assert catalogue.serving("tickets").version == 3 and catalogue.serving("other").version == 1
    assert catalogue.answering() == {"tickets@3", "other@1", "ft:x@1"}
    assert "bare name" in catalogue.history("tickets")[0].reason


def test_two_roll_backs_at_once_lose_nothing():
    catalogue = three()
    for version in (1, 2, 3):
        catalogue.promote(f"tickets@{version}")
    got = []

    def back():
        try:
            got.append(Catalogue().rollback("tickets").version)
        except (UsageError, Exception) as error:  # noqa: BLE001 - told below
            got.append(error)

    threads = [threading.Thread(target=back) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert catalogue.get("tickets").version in (1, 2) and all(
        m.moved.tzinfo or True for m in catalogue.history("tickets")
    )
    assert datetime.datetime.now(datetime.UTC)


def test_a_name_can_be_taken_out_of_use():
    catalogue = three()
    catalogue.promote("tickets@1")
    catalogue.promote("tickets@2")
    assert catalogue.withdraw("tickets").version == 2
    with pytest.raises(NotPromotedError):
        catalogue.serving("tickets")
    with pytest.raises(UsageError, match="has no 'production'"):
        catalogue.withdraw("tickets")
    assert catalogue.forward("tickets").version == 2, "and put back as it was"
    assert catalogue.rollback("tickets").version == 1
