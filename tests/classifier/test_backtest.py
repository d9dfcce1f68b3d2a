"""Another model on the stored tickets: what would move, and nothing changes."""

from sqlalchemy import event, text

from services.classifier.backtest import newest
from tests.classifier.bench import DANGER, LAMP, new_number, taken
from tests.classifier.live_bench import GREEN, Live


def backtest(live: Live, last: int) -> str:
    result = live.run("backtest", "--model", live.second.version, "--last", str(last))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_backtest_says_which_tickets_would_move_and_changes_none(live: Live) -> None:
    lamps = sorted(new_number() for _ in range(5))
    danger, decided = new_number(), new_number()
    live.bench.hear(*(taken(number, LAMP) for number in lamps), taken(danger, DANGER))
    live.bench.hear(taken(decided, LAMP))
    live.bench.post(f"/reviews/{decided}", {"leaf": GREEN})
    before = live.bench.rows("SELECT number, xmin::text FROM verdict ORDER BY 1")
    page = backtest(live, 100)
    assert f"模型 {live.second.version} 重判 7 件" in page
    assert "会变动   5 件（83.3%）" in page
    newest = "、".join(reversed(lamps[-3:]))
    assert any(line.split()[0] == "5" and newest in line for line in page.splitlines()[6:])
    assert "人工判定 1 件不变，模型与人一致 100.0%" in page
    assert live.bench.rows("SELECT number, xmin::text FROM verdict ORDER BY 1") == before


def test_only_the_last_tickets_are_judged(live: Live) -> None:
    live.bench.hear(*(taken(new_number(), LAMP) for _ in range(5)))
    assert "重判 2 件" in backtest(live, 2)


def test_priorities_that_change_and_emergencies_gained_or_lost_are_named(live: Live) -> None:
    raised, lowered = new_number(), new_number()
    live.bench.hear(taken(raised, "楼道里有煤气味，味儿很大"), taken(lowered, LAMP))
    with live.database.writing() as writer:
        for number, priority in ((raised, "P3"), (lowered, "P1")):
            writer.execute(
                text(
                    "UPDATE verdict SET priority = CAST(:p AS text), classification ="
                    " classification || jsonb_build_object('priority', CAST(:p AS text))"
                    " WHERE number = :n"
                ),
                {"p": priority, "n": number},
            )
    page = backtest(live, 10)
    assert f"多出的紧急（P0、P1） 1 件  {raised}" in page
    assert f"少了的紧急（P0、P1） 1 件  {lowered}" in page
    assert "1  P1 → P3" in page


def test_no_tickets_are_no_error(live: Live) -> None:
    assert "重判 0 件" in backtest(live, 10)


def test_nothing_to_judge_is_refused_at_once(live: Live) -> None:
    result = live.run("backtest", "--model", live.first.version, "--last", "0")
    assert result.exit_code == 2


def test_tickets_come_in_batches_from_a_cursor_on_the_server(live: Live) -> None:
    live.bench.hear(taken(new_number(), LAMP))
    with live.database.writing() as writer:
        writer.execute(
            text(
                "INSERT INTO verdict (number, ticket_version, leaf, priority, abstained,"
                " decided_by, decided_at, classification) SELECT 'X' || i, 1, leaf, priority,"
                " abstained, decided_by, decided_at, classification"
                " FROM verdict, generate_series(1, 1200) i"
            )
        )
    streamed: list[bool] = []

    def note(*arguments: object) -> None:
        streamed.append(arguments[4].execution_options.get("yield_per") == 500)  # type: ignore[attr-defined]

    event.listen(live.database.engine, "before_cursor_execute", note)
    with live.database.reading() as reader:
        sizes = [len(batch) for batch in newest(reader, 1100)]
    event.remove(live.database.engine, "before_cursor_execute", note)
    assert sizes == [500, 500, 100]
    assert any(streamed)
    assert "重判 1201 件" in backtest(live, 2000)
