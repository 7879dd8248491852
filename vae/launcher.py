"""The command `latent-space-explorer`: serves the app from wherever it is installed."""

from __future__ import annotations

import argparse
import ipaddress
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from importlib import import_module
from pathlib import Path
from urllib.parse import quote, urlsplit

from .locations import APP, data_folder

__all__ = ["main"]

_EVERY = ("0.0.0.0", "::")
_PATIENCE = 60  # seconds after which no browser is opened


def main(arguments: list[str] | None = None) -> int:
    """Serves the app until it is interrupted, which ends the process.

    Args:
        arguments: command-line arguments, by default those of the process.

    Returns:
        The exit status 2 if the address or the folder cannot be used.
    """
    options = _parser().parse_args(arguments)
    options.host = options.host or ("0.0.0.0" if options.present else "127.0.0.1")
    data = (options.data or data_folder()).expanduser().absolute()
    try:
        data.mkdir(parents=True, exist_ok=True)
        _check_port(options.host, options.port)
    except OSError as error:
        print(_explain(error, options, data), file=sys.stderr)
        return 2
    os.environ["LATENT_DATA"] = str(data)
    os.chdir(APP)  # Streamlit reads its settings from the working folder
    own = _address("localhost" if options.host in _EVERY else options.host, options.port)
    if _is_room(options):
        address = _begin_room(options, own)
    else:
        address, os.environ["LATENT_MODE"] = own, "single-user"
    print(f"{own}, with what visitors make in {data}. Ctrl-C ends it.", flush=True)
    if options.open:
        threading.Thread(target=_open_browser, args=(address,), daemon=True).start()
    # Referenced by name: the library does not import the app.
    import_module("uvicorn").run(
        "app:app",
        app_dir=str(APP),
        host=options.host,
        port=options.port,
    )
    sys.stdout.flush()
    os._exit(0)  # torch may still be loading in a thread, which a regular exit would abort


def _is_room(options: argparse.Namespace) -> bool:
    """Whether others than one person at this machine may reach the app."""
    named = os.environ.get("LATENT_HOSTS", "").strip()
    asked = options.present or os.environ.get("LATENT_MODE") == "room"
    return bool(asked or named or not _is_loopback(options.host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _begin_room(options: argparse.Namespace, own: str) -> str:
    """Sets the room up and prints its links.

    Returns:
        The presenter's link.
    """
    os.environ["LATENT_MODE"] = "room"
    token = os.environ.setdefault("LATENT_TOKEN", secrets.token_urlsafe(24))
    host = _network_address() if options.host in _EVERY else options.host
    room = os.environ.setdefault("LATENT_ADDRESS", _address(host, options.port) + "/")
    link = f"{own}/?token={quote(token)}"
    print(f"The room's link, which the presenter's page Room shows as a QR code:\n    {room}")
    print(f"The presenter's link, for the presenter alone:\n    {link}", flush=True)
    return link


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _network_address() -> str:
    """The address of this machine in its network, or its name where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route; nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latent-space-explorer",
        description="Serves the Latent Space Explorer to browsers.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8501,
        metavar="N",
        help="the port to listen on (default: 8501); for example --port 8600",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="the address to listen on, by default this machine's alone, or with --present every "
        "one; for example --host 192.168.1.5",
    )
    parser.add_argument(
        "--present",
        action="store_true",
        help="serve a room: everybody on the network explores, and whoever has the presenter's "
        "link, which is printed, trains, imports and deletes; for example --present --port 8600",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the folder of runs, checkpoints and uploads (default: $LATENT_DATA, or "
        f"{data_folder()}); for example --data ~/explorer".replace("%", "%%"),
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="open the app in a browser once it answers; for example --open --port 8600",
    )
    return parser


def _check_port(host: str, port: int) -> None:
    if not 0 <= port < 65536:
        raise OSError(f"there is no port {port}")
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        if os.name != "nt":  # on Windows it would let two programs share the port
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)


def _explain(error: OSError, options: argparse.Namespace, data: Path) -> str:
    if error.filename is not None:
        return f"{data}: {error.strerror}. Name a folder that is writable: --data FOLDER."
    return (
        f"{options.host}:{options.port} cannot be listened on ({error.strerror or error}). Name "
        f"another port from 1024 to 65535, such as --port 8502, or another --host."
    )


def _open_browser(address: str) -> None:
    start = time.monotonic()
    where = urlsplit(address)
    while time.monotonic() - start < _PATIENCE:
        try:
            socket.create_connection((where.hostname, where.port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            webbrowser.open(address)
            return
