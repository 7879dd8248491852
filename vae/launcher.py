"""The command `latent-space-explorer`: serves the app from wherever it is installed."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
import webbrowser
from importlib import import_module
from pathlib import Path

from .locations import APP, data_folder

__all__ = ["main"]

_PATIENCE = 60  # seconds after which no browser is opened


def main(arguments: list[str] | None = None) -> int:
    """Serves the app until it is interrupted, which ends the process.

    Args:
        arguments: command-line arguments, by default those of the process.

    Returns:
        The exit status 2 if the address or the folder cannot be used.
    """
    options = _parser().parse_args(arguments)
    data = (options.data or data_folder()).expanduser().absolute()
    try:
        data.mkdir(parents=True, exist_ok=True)
        _check_port(options.host, options.port)
    except OSError as error:
        print(_explain(error, options, data), file=sys.stderr)
        return 2
    os.environ["LATENT_DATA"] = str(data)
    os.environ["LATENT_HOST"] = options.host  # paths of this machine are for this machine alone
    os.chdir(APP)  # Streamlit reads its settings from the working folder
    displayed = "localhost" if options.host in ("0.0.0.0", "::") else options.host
    address = f"http://{f'[{displayed}]' if ':' in displayed else displayed}:{options.port}"
    print(f"{address}, with what visitors make in {data}. Ctrl-C ends it.", flush=True)
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
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on, by default this machine's alone; for example "
        "--host 0.0.0.0 for everybody on the network",
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
    host, _, port = address.removeprefix("http://").rpartition(":")
    while time.monotonic() - start < _PATIENCE:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            webbrowser.open(address)
            return
