"""运行: whether everything flows, a row a service in the order a ticket takes, and the model."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.parts import Panel, Prom, board, in_rows, lines, number


def running() -> Dashboard:
    """The dashboard of those who keep the services running."""
    shown = board(
        "hotline-running",
        "运行",
        "工单从受理到队列的流动、积压、出错和模型的状态。",
        since="now-6h",
    )
    return in_rows(
        shown,
        (
            ("全程", _whole()),
            ("受理", _service("intake")),
            ("分类", (*_service("classifier"), *_model())),
            ("派单", (*_service("router"), *_clockwork())),
        ),
    )


def _whole() -> tuple[Panel, ...]:
    return (
        number(
            "每秒受理",
            "近几分钟平均每秒受理的工单。",
            Prom("sum(rate(hotline_tickets_received_total[$__rate_interval]))", now=True),
            unit="reqps",
        ),
        number(
            "未发出的事件",
            "已入库、尚未送上总线的事件，三个服务合计。",
            Prom("sum(max by (service) (hotline_outbox_rows)) or vector(0)", now=True),
            bad_from=1000,
        ),
        number(
            "没处理的消息",
            "各消费组在总线上落后的消息数合计。",
            Prom(
                "sum(max by (consumer, topic) (hotline_consumer_lag_records)) or vector(0)",
                now=True,
            ),
            bad_from=1000,
        ),
        number(
            "待重放的死信",
            "处理不了、停放着的消息；同一工单后来的消息都在等它。",
            Prom("sum(max by (service) (hotline_dead_letters_waiting)) or vector(0)", now=True),
            bad_from=1,
        ),
        number(
            "时钟迟了",
            "最久一只到期时钟迟了多久还没触发。",
            Prom("max(hotline_clock_delay_seconds) or vector(0)", now=True),
            unit="s",
            bad_from=60,
        ),
        number(
            "日历还有",
            "距工作日历用完的天数；少于 60 天要补录下一年的节假日。",
            Prom("min(hotline_calendar_horizon_days)", now=True),
            unit="d",
            good_from=60,
        ),
        lines(
            "受理到队列",
            "从受理到进入某个队列的时间：一半、九成五、九成九的工单在多久以内。",
            *(
                Prom(
                    f"histogram_quantile({share}, sum by (le)"
                    " (rate(hotline_submission_to_queue_seconds_bucket[$__rate_interval])))",
                    name,
                    ref=ref,
                )
                for share, name, ref in (
                    (0.5, "一半", "A"),
                    (0.95, "九成五", "B"),
                    (0.99, "九成九", "C"),
                )
            ),
            unit="s",
        ),
        lines(
            "库和总线通不通",
            "1 为通；某个服务够不着数据库或总线时为 0。",
            Prom("min by (service) (hotline_database_up)", "库 {{service}}"),
            Prom("min by (service) (hotline_bus_up)", "总线 {{service}}", ref="B"),
        ),
    )


def _service(name: str) -> tuple[Panel, ...]:
    at = f'{{service="{name}"}}'
    return (
        lines(
            f"{name}：请求",
            "每秒答复的请求，按状态分。",
            Prom(
                f"sum by (status) (rate(hotline_http_requests_total{at}[$__rate_interval]))",
                "{{status}}",
            ),
            unit="reqps",
            width=8,
        ),
        lines(
            f"{name}：请求用时",
            "九成九的请求在多久以内答复。",
            Prom(
                "histogram_quantile(0.99, sum by (le)"
                f" (rate(hotline_http_request_seconds_bucket{at}[$__rate_interval])))",
                "九成九",
            ),
            unit="s",
            width=8,
        ),
        lines(
            f"{name}：处理的消息",
            "它的消费组每秒处理的消息，和退回重试的批次。",
            Prom(
                f'sum(rate(hotline_messages_handled_total{{consumer=~"{name}[.].*"}}'
                "[$__rate_interval]))",
                "处理",
            ),
            Prom(
                f'sum(rate(hotline_batch_retries_total{{consumer=~"{name}[.].*"}}'
                "[$__rate_interval])) or vector(0)",
                "重试",
                ref="B",
            ),
            unit="cps",
            width=8,
        ),
    )


def _model() -> tuple[Panel, ...]:
    return (
        lines(
            "没把握的占多少",
            "窗口内模型交给人判的工单占比；突然升高多半是来话变了或模型换了。",
            Prom("max by (window) (hotline_abstained_share)", "{{window}}"),
            unit="percentunit",
            width=8,
        ),
        lines(
            "平均把握",
            "窗口内模型所选事项的平均概率。",
            Prom("max by (window) (hotline_mean_probability)", "{{window}}"),
            unit="percentunit",
            width=8,
        ),
        lines(
            "各类来话",
            "窗口内各类工单数；突然变了形的要看。",
            Prom(
                'max by (category) (hotline_guessed_tickets{window=~"1d|24h|day.*"})',
                "{{category}}",
            ),
            width=8,
        ),
    )


def _clockwork() -> tuple[Panel, ...]:
    return (
        lines(
            "工单在哪个状态",
            "未办结的工单，按状态。",
            Prom("max by (state) (hotline_cases)", "{{state}}"),
        ),
        lines(
            "时钟的动作",
            "每小时触发的提醒、催办、督办和升级。",
            Prom("sum by (step) (increase(hotline_clocks_fired_total[1h]))", "{{step}}"),
        ),
    )
