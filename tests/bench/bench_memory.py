"""Ten thousand devices live in one hub: resident memory of the whole process, and what each of them costs.

python -m tests.bench.bench_memory
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city

DEVICES = 10_000
ROUNDS = 6
GROUP = 500


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="cityhub-bench-"))
    api = free_port()
    write_city(folder, '[rules]\npacks = ["air-cn"]\n', api)
    rows = "".join(
        f"air-{number},Station {number},air-station,{121 + number / 1e5:.5f},31.2,5,north,eco\n"
        for number in range(DEVICES)
    )
    (folder / "devices.csv").write_text("device,name,kind,lon,lat,elevation_m,area,operator\n" + rows)
    hub = RunningHub(folder, api)

    def memory() -> float:
        return int(Path(f"/proc/{hub.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024

    try:
        before = memory()
        for turn in range(ROUNDS):
            at = time.strftime("%Y-%m-%dT%H:%M:", time.gmtime()) + f"{turn:02d}Z"
            for first in range(0, DEVICES, GROUP):
                body = [
                    {
                        "device": f"air-{number}",
                        "time": at,
                        "values": {
                            "pm25": 30.0 + number % 9,
                            "pm10": 50.0,
                            "no2": 40.0,
                            "so2": 8.0,
                            "o3": 90.0,
                            "co": 0.6,
                            "air_temperature": 21.5,
                        },
                    }
                    for number in range(first, first + GROUP)
                ]
                request = urllib.request.Request(
                    f"http://127.0.0.1:{api}/api/v1/readings",
                    json.dumps(body).encode(),
                    {"Content-Type": "application/json"},
                )
                urllib.request.urlopen(request, timeout=60).close()
        hub.wait(
            lambda: hub.reader("store/events")["behind"] < 10 and hub.reader("rules")["behind"] < 10,
            "readers did not keep up",
            120,
        )
        after = memory()
        live = hub.get("/api/v1/status")["devices"]
        print(
            f"{live:,} devices live, 7 metrics each, {ROUNDS} rounds: {after:.0f} MB resident (goal 265), {before:.0f} MB when it began"
        )
    finally:
        hub.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
