"""Write the dashboards as JSON: `python -m deploy.grafana`."""

from pathlib import Path
from typing import Final

from deploy.grafana.district import district
from deploy.grafana.month import month
from deploy.grafana.parts import as_json
from deploy.grafana.running import running
from deploy.grafana.unit import unit

FOLDER: Final = Path(__file__).with_name("dashboards")
BOARDS: Final = {"district": district, "unit": unit, "month": month, "running": running}


def written() -> dict[str, str]:
    """Each dashboard's file name and what stands in it."""
    return {f"{name}.json": as_json(board()) for name, board in BOARDS.items()}


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
