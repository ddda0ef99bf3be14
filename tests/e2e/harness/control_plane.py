"""etcd and kube-apiserver on loopback, with a PKI of their own, and the ways in which the tests hurt them."""

import json
import os
import subprocess
import urllib.request

from .kubernetes import Client, kubeconfig
from .network import free_port
from .waiting import ANSWER, until

ADMIN_TOKEN = "e2e-admin"


class ControlPlane:
    def __init__(self, supervisor, programs, work):
        self._supervisor = supervisor
        self._programs = programs
        self._dir = os.path.join(work, "control-plane")
        os.makedirs(self._dir)
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self.port = free_port()
        self.ca = os.path.join(self._dir, "ca.crt")
        self.etcd = self.apiserver = None
        self._make_pki()

    def start(self):
        etcd_url, peer_url = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        self.etcd = self._supervisor.start("etcd", [
            os.path.join(self._programs, "etcd"), "--data-dir", os.path.join(self._dir, "etcd"), "--unsafe-no-fsync",
            "--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url, "--listen-peer-urls", peer_url,
            "--initial-advertise-peer-urls", peer_url, "--initial-cluster", "default=" + peer_url])
        until("etcd to be healthy", lambda: b"true" in urllib.request.urlopen(etcd_url + "/health", timeout=2).read(), 60,
              logs=[self.etcd], needs=self.etcd)
        self.start_apiserver()

    def start_apiserver(self):
        folder = self._dir
        self.apiserver = self._supervisor.start("kube-apiserver", [
            os.path.join(self._programs, "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}",
            f"--tls-cert-file={folder}/server.crt", f"--tls-private-key-file={folder}/server.key", f"--client-ca-file={self.ca}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/sa.pub",
            f"--service-account-signing-key-file={folder}/sa.key", "--authorization-mode=RBAC", f"--token-auth-file={folder}/tokens.csv",
            "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.255.0.0/24",
            f"--cert-dir={folder}", "--profiling=false"])
        client = self.admin()
        until("kube-apiserver to be ready", lambda: client.request("GET", "/readyz") == "ok", 120, logs=[self.apiserver], needs=self.apiserver)

    def kill_apiserver(self):
        """kill -9: every watch in the cluster breaks."""
        self.apiserver.kill()

    def compact(self):
        """Compacts etcd up to now: a watch that resumes from before is told 410 Gone. Returns the revision."""
        status = self.ask_etcd("maintenance/status", {})
        revision = int(status["header"]["revision"])
        self.ask_etcd("kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def admin(self):
        return Client(self.port, self.ca, ADMIN_TOKEN)

    def admin_kubeconfig(self):
        path = os.path.join(self._dir, "admin.kubeconfig")
        return path if os.path.exists(path) else kubeconfig(self.port, self.ca, ADMIN_TOKEN, path)

    def kubeconfig_for(self, token, name, port=None):
        """A kubeconfig for one token; `port` leads through a proxy."""
        return kubeconfig(port or self.port, self.ca, token, os.path.join(self._dir, name + ".kubeconfig"))

    def ask_etcd(self, method, body):
        """Calls etcd itself, past the API server. Returns its answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._etcd_port}/v3/{method}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ANSWER) as answer:
            return json.load(answer)

    def _make_pki(self):
        def openssl(*args):
            subprocess.run(["openssl", *args], check=True, cwd=self._dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=e2e-ca",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl("req", "-new", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=kube-apiserver")
        with open(os.path.join(self._dir, "server.ext"), "w", encoding="utf-8") as stream:
            stream.write("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-out", "server.crt", "-extfile", "server.ext")
        openssl("genrsa", "-out", "sa.key", "2048")
        openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
        with open(os.path.join(self._dir, "tokens.csv"), "w", encoding="utf-8") as stream:
            stream.write(f'{ADMIN_TOKEN},e2e-admin,e2e-admin,"system:masters"\n')
