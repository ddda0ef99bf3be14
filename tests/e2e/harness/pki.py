"""A private certificate authority of the tests, by openssl: what users put into `certSecretRef`."""

import os
import subprocess


class Authority:
    """Makes certificates in one folder. Names are those of the files: NAME.crt and NAME.key."""

    _KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def __init__(self, folder, name="ca"):
        os.makedirs(folder, exist_ok=True)
        self._dir, self._name = folder, name
        self._openssl("req", "-x509", *self._KEY, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN=e2e-{name}",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.certificate = self.path(f"{name}.crt")

    def issue(self, name, usage):
        """Makes a certificate for loopback; `usage` is serverAuth or clientAuth. Returns (certificate file, key file)."""
        self._openssl("req", "-new", *self._KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(self.path(f"{name}.ext"), "w", encoding="utf-8") as stream:
            stream.write(f"subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage={usage}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self._name}.crt", "-CAkey", f"{self._name}.key", "-CAcreateserial",
                      "-days", "2", "-out", f"{name}.crt", "-extfile", f"{name}.ext")
        return self.path(f"{name}.crt"), self.path(f"{name}.key")

    def path(self, file):
        return os.path.join(self._dir, file)

    def _openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, cwd=self._dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
