"""Certificates that end while the hub runs: told in its health, and over once they have been renewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import clock
from hub.app.certificates import LOOK_EVERY_S, Certificates, old_certificates
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.config import Config
from hub.health import Health
from hub.moment import SECOND, from_text
from tests.acceptance.running import write_city
from tests.certificates import authority, replaced, revoked, signed
from tests.hub.running import running

DAY = 86_400 * SECOND
BLOCK = '[[adapters]]\nname = "trucks"\nprotocol = "jt808"\nlisten = "tls://127.0.0.1:0"\ntls_cert_file = "{0.cert}"\ntls_key_file = "{0.key}"\n'


def config_of(folder: Path) -> Config:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    return city.config


def test_health_tells_of_a_certificate_while_the_hub_runs(tmp_path: Path) -> None:
    """It was told at the start alone, and a hub runs for months."""
    ca = authority(tmp_path)
    files = signed(tmp_path, ca, "hub", valid=("20261101000000Z", "20270101000000Z"))
    config = config_of(write_city(tmp_path / "city", BLOCK.format(files)))
    said: list[str] = []
    at, ticks = [from_text("2026-11-30T00:00:00Z")], [0.0]
    health = Health(lambda: at[0], said.append)
    looks = Certificates(health, lambda: config, lambda: at[0], lambda: ticks[0])

    def state(day: str) -> str:
        at[0] = from_text(f"{day}T00:00:00Z")
        ticks[0] += LOOK_EVERY_S
        looks.look()
        return next((part.state for part in health.parts()), "")

    assert [state(day) for day in ("2026-11-30", "2026-12-20", "2026-12-31", "2027-01-01")] == ["", "degraded", "degraded", "down"]  # fmt: skip
    assert said[0].endswith(
        f"certificates: degraded: {files.cert}: the certificate ends in 12 days, on 2027-01-01T00:00:00Z"
    )
    assert "the certificate ended on 2027-01-01" in said[1]
    newer = signed(tmp_path, ca, "newer", valid=("20261201000000Z", "20280101000000Z"))
    replaced(Path(files.cert), Path(newer.cert).read_text())
    assert state("2027-01-02") == "up"
    assert len(said) == 3
    assert "certificates: up again" in said[2]


def test_an_authority_that_has_a_follower_is_not_told(tmp_path: Path) -> None:
    """Of all authorities in a file the last has to end."""
    old = authority(tmp_path, "old")
    by = signed(tmp_path, old, "newer", valid=("20261101000000Z", "20300101000000Z"))
    toml = BLOCK.format(by) + f'tls_client_ca_file = "{old.cert}"\n'
    config = config_of(write_city(tmp_path / "city", toml))
    assert [line.partition(" on ")[0] for line in old_certificates(config, clock.now() + 3 * DAY)] == [
        f"{old.cert}: the last authority in it ended"
    ]
    Path(old.cert).write_text(Path(old.cert).read_text() + Path(by.cert).read_text())
    assert old_certificates(config, clock.now() + 3 * DAY) == []


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1.5, ""),
        (1.9, "the list of what was taken back ends in 2 hours"),
        (2.1, "the list of what was taken back ended"),
    ],
)
def test_a_list_of_what_was_taken_back_is_told_before_it_keeps_everybody_out(
    tmp_path: Path, days: float, told: str
) -> None:
    """Lists hold for days, and OpenSSL believes nobody once one has ended."""
    ca, other = authority(tmp_path), authority(tmp_path, "other")
    lasting = signed(tmp_path, ca, "hub", valid=("20261101000000Z", "20300101000000Z"))
    crl = tmp_path / "lists.pem"
    crl.write_text(revoked(tmp_path, ca) + revoked(tmp_path, other))
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(Path(ca.cert).read_text() + Path(lasting.cert).read_text())
    toml = BLOCK.format(lasting) + f'tls_client_ca_file = "{authorities}"\ntls_crl_file = "{crl}"\n'
    config = config_of(write_city(tmp_path / "city", toml))
    found = old_certificates(config, clock.now() + int(days * DAY))
    assert [line.partition(": ")[2].partition(",")[0].partition(" on ")[0] for line in found] == (
        [told] if told else []
    )


async def test_a_running_hub_says_so_in_its_health(tmp_path: Path) -> None:
    files = signed(tmp_path, authority(tmp_path), "hub")  # for two days
    async with running(write_city(tmp_path / "city", BLOCK.format(files))) as hub:
        (part,) = [part for part in hub.health.parts() if part.name == "certificates"]
        assert part.state == "degraded"
        assert f"{files.cert}: the certificate ends in 48 hours" in part.reason
        assert hub.health.ready
