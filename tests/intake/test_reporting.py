"""Intake's `reporting` schema: call-backs counted once a ticket, the unreached apart."""

from sqlalchemy import text

from tests.intake.office import Office
from tests.intake.test_api import verified
from tests.shared.reporting_checks import check_closed

Answer = tuple[bool, str]


def called_back(office: Office, *answers: Answer) -> str:
    """A ticket whose caller gave these answers one after the other, the last one closing."""
    number = verified(office)
    for solved, satisfaction in answers:
        body = {"solved": solved, "satisfaction": satisfaction, "comment": "张建国说还行"}
        answer = office.post(f"/tickets/{number}/callbacks", body)
        assert answer.status_code == 201, answer.text
    return number


def test_each_ticket_counts_once_and_the_unreached_in_no_rate(office: Office) -> None:
    called_back(office, (True, "satisfied"))
    called_back(office, (False, "unreached"), (True, "basically"))
    called_back(office, (False, "unreached"), (False, "unreached"))
    called_back(office, (True, "dissatisfied"))
    rows = office.rows(
        "SELECT called_back, rated, solved, satisfied, basically, dissatisfied, excluded_unreached"
        " FROM reporting.callback_month"
    )
    totals = tuple(sum(column) for column in zip(*rows, strict=True))
    assert totals == (4, 3, 3, 1, 1, 1, 1)


def test_a_call_back_stays_with_the_unit_it_was_about(office: Office) -> None:
    number = called_back(office, (False, "dissatisfied"))
    ((unit,),) = office.rows("SELECT lead_unit FROM ticket WHERE number = :n", n=number)
    assert unit is not None
    with office.running.runtime.database.writing() as writer:
        writer.execute(
            text("UPDATE ticket SET lead_unit = 'power' WHERE number = :n"), {"n": number}
        )
    query = "SELECT unit FROM reporting.callback_row WHERE number = :n"
    assert office.rows(query, n=number) == [(unit,)]


def test_the_reporting_role_sees_the_views_and_nobodys_words(office: Office) -> None:
    called_back(office, (True, "satisfied"))
    office.submit(text="我是张建国，家里漏水", caller={"name": "张建国", "phone": "13812345678"})
    url = office.running.runtime.database.url
    check_closed(url, ("张建国", "13812345678", "迎水里", "漏水", "operator"))
