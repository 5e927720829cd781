# SPDX-License-Identifier: MIT
"""A real ICAP server: c-icap with its virus_scan module, which asks a private clamd."""
import contextlib
import pathlib
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from support.harness import PATIENCE, FolderWatch, free_port

PROGRAM = shutil.which("c-icap")
MODULES = next(pathlib.Path("/usr/lib").glob("*/c_icap/virus_scan.so"), None)
INSTALLED = PROGRAM is not None and MODULES is not None and shutil.which("openssl") is not None

SETUP = """\
PidFile {folder}/c-icap.pid
CommandsSocket {folder}/c-icap.ctl
Port 127.0.0.1:{port}
{tls}
StartServers 1
MaxServers 1
MinSpareThreads 1
MaxSpareThreads 8
ThreadsPerChild 8
TmpDir {folder}/tmp
ModulesDir {modules}
ServicesDir {modules}
TemplateDir /usr/share/c_icap/templates/
TemplateDefaultLanguage en
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog {folder}/server.log
AccessLog {folder}/access.log
Service echo srv_echo.so
Service antivirus_module virus_scan.so
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
Module common clamd_mod.so
clamd_mod.ClamdSocket {clamd}
virus_scan.DefaultEngine clamd
virus_scan.SendPercentData 0
{more}
"""
SCANNED = {"virus_scan.ScanFileTypes": "TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE",
           "virus_scan.MaxObjectSize": "64M"}


class PrivateIcap:
    """On a port of 127.0.0.1; with tls=True on a second one for TLS, for `localhost`."""

    def __init__(self, clamd, tls=False, **options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="c-icap."))
        (self.folder / "tmp").mkdir()
        self.port = free_port()
        self.tls_port = free_port() if tls else None
        line = ""
        if tls:
            certificate, key = make_certificate(self.folder, "localhost")
            self.ca = certificate
            line = f"TlsPort 127.0.0.1:{self.tls_port} cert={certificate} key={key}"
        settings = SCANNED | {name.replace("__", "."): value for name, value in options.items()}
        self.config = self.folder / "c-icap.conf"
        self.config.write_text(SETUP.format(
            folder=self.folder, port=self.port, modules=MODULES.parent, clamd=clamd.socket,
            tls=line, more="".join(f"{name} {value}\n" for name, value in settings.items())))
        self.start()

    def start(self):
        """It makes its socket for commands once it listens."""
        with FolderWatch(self.folder, FolderWatch.CREATE) as watch:
            with open(self.folder / "output", "wb") as output:
                self.process = subprocess.Popen([PROGRAM, "-f", self.config, "-N", "-D"],
                                                stdout=output, stderr=subprocess.STDOUT)
            while not (self.folder / "c-icap.ctl").exists():
                if self.process.poll() is not None:
                    raise RuntimeError("c-icap: " + (self.folder / "output").read_text())
                watch.wait()

    def url(self, service="avscan"):
        return f"icap://127.0.0.1:{self.port}/{service}"

    def requests(self):
        """What it wrote down: (method, service, status)."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [tuple(line.split(" ")[-3:]) for line in lines]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


def make_certificate(folder, *names, name="server"):
    """A certificate that signs itself, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={names[0]}", "-addext",
         "subjectAltName=" + ",".join(("IP:" if each[0].isdigit() else "DNS:") + each
                                      for each in names),
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class TlsFront:
    """TLS in front of a plain server, with a certificate for `localhost` that signs itself."""

    def __init__(self, folder, address):
        self.certificate, key = make_certificate(pathlib.Path(folder), "localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        host, _, port = address.removeprefix("tcp:").rpartition(":")
        self.behind = (host.strip("[]"), int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _serve(self, plain):
        with contextlib.suppress(OSError), plain, \
                self.context.wrap_socket(plain, server_side=True) as front, \
                socket.create_connection(self.behind) as behind:
            while True:
                ready = [front] if front.pending() else select.select([front, behind], [], [])[0]
                for one, other in ((front, behind), (behind, front)):
                    if one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        other.sendall(data)
