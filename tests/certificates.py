"""Real certificates for tests, made with openssl: an authority, and what it signs, good and bad."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple


class Files(NamedTuple):
    """PEM files of a certificate and its key."""

    cert: str
    key: str


def authority(folder: Path, name: str = "authority") -> Files:
    """A certificate authority of its own."""
    files = Files(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", files.key, "-out", files.cert,
    )  # fmt: skip
    return files


def signed(
    folder: Path, by: Files, name: str, hosts: str = "DNS:localhost,IP:127.0.0.1", valid: tuple[str, str] | None = None
) -> Files:
    """A certificate for `hosts`. `valid`: from and until as YYYYMMDDHHMMSSZ; two days from now without it."""
    files = Files(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={hosts}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
        "-keyout", files.key, "-out", str(request),
    )  # fmt: skip
    if valid is None:
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-days", "2",
            "-extfile", str(extensions), "-out", files.cert,
        )  # fmt: skip
        return files
    state = folder / f"{name}.ca"
    state.mkdir()
    (state / "index.txt").touch()
    (state / "serial").write_text("01\n")
    config = state / "ca.conf"
    config.write_text(
        f"[ca]\ndefault_ca=me\n[me]\ndatabase={state}/index.txt\nserial={state}/serial\nnew_certs_dir={state}\n"
        "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
    )
    _openssl(
        "ca", "-batch", "-config", str(config), "-cert", by.cert, "-keyfile", by.key, "-startdate", valid[0],
        "-enddate", valid[1], "-extfile", str(extensions), "-in", str(request), "-out", files.cert, "-notext",
    )  # fmt: skip
    return files


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def revoked(folder: Path, by: Files, *taken_back: Files) -> str:
    """A list of what the authority took back, PEM."""
    state = Path(mkdtemp(prefix="revoking-", dir=folder))
    (state / "index.txt").touch()
    (state / "crlnumber").write_text(f"{len(taken_back) + 1:02d}\n")
    config = state / "ca.conf"
    config.write_text(f"[ca]\ndefault_ca=me\n[me]\ndatabase={state}/index.txt\ncrlnumber={state}/crlnumber\ndefault_md=sha256\ndefault_crl_days=2\n")  # fmt: skip
    common = ("-config", str(config), "-cert", by.cert, "-keyfile", by.key)
    for files in taken_back:
        _openssl("ca", *common, "-revoke", files.cert)
    path = state / "crl.pem"
    _openssl("ca", *common, "-gencrl", "-out", str(path))
    return path.read_text()


def replaced(path: Path, text: str) -> None:
    """A file whose content is another from one moment to the next."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)
