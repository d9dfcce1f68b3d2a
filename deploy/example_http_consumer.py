"""How a department without Kafka follows its queue over HTTP: at least once, resumed after a crash.

    HOTLINE_TOKEN=… python example_http_consumer.py wangdingdi http://127.0.0.1:8892

The cursor is written after the work, so a crash repeats what was not finished and loses nothing:
leave out what you have already (`seq`). 410 means that the system was restored from a backup.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

unit, address = sys.argv[1:3]
kept = Path(f"{unit}.cursor")
queue = f"{address}/api/units/{unit}/queue?wait=25"
headers = {"Authorization": f"Bearer {os.environ['HOTLINE_TOKEN']}"}

while True:
    try:
        after = f"&after={kept.read_text()}" if kept.exists() else ""
        asked = urllib.request.Request(queue + after, headers=headers)  # noqa: S310
        with urllib.request.urlopen(asked, timeout=40) as answer:  # noqa: S310
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 410:
            kept.unlink()  # read again what is open, and drop what is no longer in it
        elif error.code < 500 and error.code not in (408, 429):
            sys.exit(error.read().decode())
        time.sleep(5)
        continue
    except OSError:
        time.sleep(5)
        continue
    for item in found["items"]:  # your work; `open` is false when there is nothing more to do
        print(item["seq"], item["number"], item["open"], item["case"]["state"], flush=True)
    kept.write_text(found["cursor"])
