# SPDX-License-Identifier: LGPL-2.1-or-later
"""Certificates for tests of TLS, made by GnuTLS's certtool, in the files that libvirt looks for."""

import os
import shutil
import socket
import ssl

from harness import limits
from harness.process import run

__unittest = True

HOST = "127.0.0.1"

# What libvirt asks of the certificates of its clients and servers.
LEAF = "signing_key\nencryption_key\n"

CONFIRMATION = b"\1"


def certtool(*args):
    result = run(["certtool", *args])
    assert result.returncode == 0, result.stderr


class Authority:
    """A CA in a directory of its own, which is also a pkipath= of clients: cacert.pem there, and
    clientcert.pem and clientkey.pem."""

    def __init__(self, directory, name="Test CA", above=None, extra=""):
        """above: the one that signs it; who trusts that one then trusts this one's clients."""
        self.dir = directory
        self.above = above
        os.mkdir(directory, 0o711)
        self._key("cakey.pem")
        self._template(f'cn = "{name}"\nca\ncert_signing_key\ncrl_signing_key\n{extra}')
        signer = above.signer() if above else ["--generate-self-signed"]
        certtool(*signer, "--load-privkey", self.path("cakey.pem"),
                 "--template", self.path("template"), "--outfile", self.path("own.pem"))
        shutil.copy(above.ca if above else self.path("own.pem"), self.ca)

    def between(self, directory, name, extra=""):
        """One that this one signs. Its clients show its certificate behind their own."""
        return Authority(directory, name, self, extra)

    def signer(self):
        return ["--generate-certificate", "--load-ca-certificate", self.path("own.pem"),
                "--load-ca-privkey", self.path("cakey.pem")]

    def path(self, name):
        return os.path.join(self.dir, name)

    @property
    def ca(self):
        return self.path("cacert.pem")

    def _key(self, name):
        # RSA: older libvirt wants keyEncipherment, which certtool gives to no other key.
        certtool("--generate-privkey", "--key-type", "rsa", "--bits", "2048", "--outfile",
                 self.path(name))

    def _template(self, text):
        with open(self.path("template"), "w", encoding="utf-8") as file:
            file.write(text if "expiration" in text else text + "expiration_days = 7\n")

    def issue(self, name, common, extra=""):
        """NAMEcert.pem and NAMEkey.pem: O=Virtpass,CN=COMMON."""
        self._key(f"{name}key.pem")
        self._template(f'organization = "Virtpass"\ncn = "{common}"\n{LEAF}{extra}')
        certificate = self.path(f"{name}cert.pem")
        certtool(*self.signer(), "--load-privkey", self.path(f"{name}key.pem"),
                 "--template", self.path("template"), "--outfile", certificate)
        if self.above:
            with open(self.path("own.pem"), "rb") as own, open(certificate, "ab") as chain:
                chain.write(own.read())
        return self

    def server(self):
        return self.issue("server", "localhost", "tls_www_server\ndns_name = localhost\n"
                          f"ip_address = {HOST}\n")

    def client(self, name="client", common="client", extra=""):
        return self.issue(name, common, "tls_www_client\n" + extra)

    def config(self, **more):
        """Keys of virtpassd's [listen], and of libvirtd.conf."""
        return {"ca_file": self.ca, "cert_file": self.path("servercert.pem"),
                "key_file": self.path("serverkey.pem"), **more}

    def context(self, name="client", version=None):
        """Of a client with this certificate; name: None for one without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        if name:
            context.load_cert_chain(self.path(f"{name}cert.pem"), self.path(f"{name}key.pem"))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, port, **more):
        """A socket on which the handshake is over, whatever the server says to the client's
        certificate then."""
        context = self.context(**more)
        plain = dial(port)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except Exception:
            plain.close()
            raise

    def confirmed(self, port, **more):
        """The same for a client that is let in."""
        sock = self.connect(port, **more)
        byte = sock.recv(100)
        assert byte == CONFIRMATION, byte
        return sock


def listening():
    """A TCP socket that a service manager could have made."""
    sock = socket.socket()
    sock.bind((HOST, 0))
    sock.listen(128)
    return sock


def dial(port):
    return socket.create_connection((HOST, port), limits.seconds(limits.CONDITION_SECONDS))


def free_port():
    """Nobody's now, and hardly anybody's in the next moment."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]
