"""The same traces through every protocol, every kind of credential and a proxy, read back from what real backends show of them."""

import base64
import json
import os

import yaml

from ..forward_proxy import ForwardProxy
from ..kubernetes import condition
from ..network import free_address
from ..pki import Authority
from ..secured_collector import BASIC_PASSWORD, BASIC_USER, SecuredCollector
from ..spans import Received
from ..telemetry import Jaeger, Zipkin
from ..waiting import Timeout, until
from ..world import NAMESPACE
from . import content
from .checks import ERROR
from .commits import may, push, settled
from .dead_letters import dead_letters

PROXY_USER, PROXY_PASSWORD = "proxied", "planted-proxy:p@ss/word"


class Route:
    """One Trace with its Provider, and how to read what arrived: `read(trace_id)` returns {span ID: what is compared}."""

    def __init__(self, name, read, spec, secrets=None, api_version="notification.toolkit.fluxcd.io/v1", folded=False):
        self.name, self.read, self.folded = name, read, folded
        self.secrets = {f"{name}-{reference[:-3].lower()}": (reference, data) for reference, data in (secrets or {}).items()}
        spec = {**spec, **{reference: {"name": secret} for secret, (reference, _) in self.secrets.items()}}
        self.provider = {"apiVersion": api_version, "kind": "Provider", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}

    def apply(self, admin):
        for name in self.secrets:
            self.apply_secret(admin, name)
        admin.apply(self.provider)
        trace = content.trace(self.name, self.name)
        trace["spec"]["attributes"] = {"e2e.route": self.name}
        admin.apply(trace)

    def apply_secret(self, admin, name):
        admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": self.secrets[name][1]})

    def delete(self, admin):
        admin.delete("Trace", NAMESPACE, self.name)
        admin.delete("Provider", NAMESPACE, self.name)
        for name in self.secrets:
            admin.delete("Secret", NAMESPACE, name)


def transports(world):
    report = world.report
    authority = Authority(os.path.join(world.work, "backend-pki"))
    proxy = world.closing(ForwardProxy(PROXY_USER, PROXY_PASSWORD))
    collector = SecuredCollector(world.supervisor, world.programs, world.work, authority)
    jaeger = Jaeger(world.supervisor, world.programs, free_address(4317, 4318, 9411), "jaeger-by-port")
    why = Zipkin.missing(world.programs)
    zipkin = None if why else Zipkin(world.supervisor, world.programs)
    if why:
        report.skip("Zipkin JSON to a real Zipkin server", why)
    for backend in filter(None, (collector, jaeger, zipkin)):
        backend.wait()
    demands(report, collector)

    routes = make_routes(authority, collector, jaeger, zipkin, proxy)
    for route in routes:
        route.apply(world.admin)
    until("the Traces of all routes to be Ready", lambda: all(ready(world, route) for route in routes), 30, logs=[world.subject.child])
    dropped = world.subject.metric("spans_dropped_total")
    process = world.subject.child.pid

    # A commit that cannot be built, so that errors travel too, and its fix.
    files = content.files(web="300", frontend="3")
    broken = push(world, {**files, "releases/broken.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n"}, "feat: cannot be built")
    until("releases to fail to build", lambda: world.posts.of("Kustomization", "releases", broken.revision, "BuildFailed"), 60,
          logs=[world.controllers.children["kustomize-controller"]])
    fix = push(world, files, "fix: what cannot be built")
    world.await_applied("releases", fix)
    compare(world, routes, "broken", broken)
    errors = [span for span in world.received().trace(broken.trace_id).spans if span.status == ERROR]
    report.check("errors travelled too", bool(errors), "spans with an error", errors)
    compare(world, routes, "fix", fix)
    served = list(proxy.served)
    report.check("the proxy tunnelled for https and forwarded plain HTTP", any(line.startswith("CONNECT ") for line in served)
                 and any(line.startswith("POST http://") for line in served), "CONNECT and POST", served)

    tokens = [collector.rotating_token]
    rotation(world, routes, collector)
    tokens.append(collector.rotating_token)

    report.equal("nothing was dropped on any route", world.subject.metric("spans_dropped_total"), dropped)
    refused = Route("refused", lambda trace_id: of_collector(world.collector.files["main"], trace_id),
                    {"type": "otlp", "address": "https://127.0.0.1:" + str(collector.ports["http-basic"])},
                    {"secretRef": {"username": BASIC_USER, "password": "wrong"}, "certSecretRef": routes[1].secrets["http-basic-certsecret"][1]})
    dead_letters(world, refused, collector, lambda trace_id: of_collector(collector.files["letters"], trace_id))
    routes.append(refused)
    report.check("the program was not started again", world.subject.child.pid == process and world.subject.child.alive(), process,
                 world.subject.child.pid)
    generation = world.admin.get("Provider", NAMESPACE, "flux-otel")["metadata"]["generation"]
    report.equal("the Provider of Flux's own notifications is as it was", generation, 1)
    kept_secret(world, routes, collector, proxy, tokens)
    for route in routes:
        route.delete(world.admin)
    for backend in filter(None, (zipkin, jaeger, collector)):
        backend.child.kill()


def ready(world, route):
    return condition(world.admin.get("Trace", NAMESPACE, route.name), "Ready").get("status") == "True"


def demands(report, collector):
    """The backends do ask for what the routes bring: otherwise the rest would prove nothing."""
    report.equal("without a password the collector answers 401", collector.status("http-basic"), 401)
    report.equal("with another token it answers 401", collector.status("http-bearer", "Bearer other"), 401)
    report.check("without a client certificate nobody gets into its gRPC port", not collector.lets_in("grpc-mtls"), "a refusal", "an answer")
    report.check("with one they do", collector.lets_in("grpc-mtls", collector.client_certificate), "an answer", "a refusal")


def make_routes(authority, collector, jaeger, zipkin, proxy):
    def text(path):
        with open(path, encoding="utf-8") as stream:
            return stream.read()

    trusted = {"ca.crt": text(authority.certificate)}
    client = {"tls.crt": text(collector.client_certificate[0]), "tls.key": text(collector.client_certificate[1])}
    through_proxy = {"address": proxy.url, "username": PROXY_USER, "password": PROXY_PASSWORD}

    def port(name):
        return f"127.0.0.1:{collector.ports[name]}"

    def filed(name):
        return lambda trace_id: of_collector(collector.files[name], trace_id)

    def in_jaeger(name):
        return lambda trace_id: of_jaeger(jaeger, trace_id, name)

    routes = [
        Route("grpc-mtls", filed("grpc-mtls"), {"type": "otlp", "address": "grpcs://" + port("grpc-mtls")},
              {"certSecretRef": {**trusted, **client}}),
        Route("http-basic", filed("http-basic"), {"type": "otlp", "address": "https://" + port("http-basic")},
              {"secretRef": {"username": BASIC_USER, "password": BASIC_PASSWORD}, "certSecretRef": trusted}),
        # As notification-controller's users have it: the address from the Secret, headers, certificates, a proxy, fields that mean nothing here.
        Route("flux-otel", filed("http-bearer"), {"type": "otel", "interval": "10m", "channel": "general", "username": "flux", "timeout": "20s",
                                                  "address": "http://127.0.0.1:9/v1/traces"},
              {"secretRef": {"address": f"https://{port('http-bearer')}/v1/traces",
                             "headers": yaml.safe_dump({"Authorization": f"Bearer {collector.token}", "X-Scope-OrgID": "planted-tenant"})},
               "certSecretRef": trusted, "proxySecretRef": through_proxy}, "notification.toolkit.fluxcd.io/v1beta3"),
        Route("json-token", filed("http-rotating"), {"type": "otlp", "address": "https+json://" + port("http-rotating")},
              {"secretRef": {"token": collector.rotating_token}, "certSecretRef": trusted}),
        Route("zipkin-receiver", filed("zipkin"), {"type": "zipkin", "address": f"http://{port('zipkin')}/api/v2/spans"},
              {"proxySecretRef": through_proxy}),
        Route("jaeger-grpc", in_jaeger("jaeger-grpc"), {"type": "jaeger", "address": f"http://{jaeger.address}:4317"}),
        Route("jaeger-http", in_jaeger("jaeger-http"), {"type": "jaeger", "address": jaeger.address}),
        Route("jaeger-zipkin", in_jaeger("jaeger-zipkin"), {"type": "jaeger", "address": f"http://{jaeger.address}:9411"}),
    ]
    if zipkin:
        routes.append(Route("zipkin", lambda trace_id: of_zipkin(zipkin, trace_id), {"type": "zipkin", "address": f"127.0.0.1:{zipkin.port}"},
                            folded=True))
    return routes


def compare(world, routes, label, commit):
    """Each backend shows the very spans that went to the reference, by OTLP/HTTP protobuf."""
    world.await_trace(commit)
    settled(world)
    wanted = of_collector(world.collector.files["main"], commit.trace_id)
    for route in routes:
        expected = {span: (parent, name.lower() if route.folded else name, *rest) for span, (parent, name, *rest) in wanted.items()}
        shown = {}

        def same():
            shown.clear()
            shown.update(route.read(commit.trace_id))
            return shown == expected

        try:
            until(f"{route.name} to show the {len(wanted)} spans of {label}", same, 30, 0.3)
            good = True
        except Timeout:
            good = False
        missing = expected.keys() - shown.keys()
        other = {span: (expected.get(span), seen) for span, seen in shown.items() if seen != expected.get(span)}
        world.report.check(f"{label}: {route.name} shows the same {len(wanted)} spans: parents, names, outcomes, errors, times in microseconds", good,
                           "the reference's spans", f"{len(missing)} missing, these differ: {dict(list(other.items())[:3])}")


def rotation(world, routes, collector):
    """The backend's token changes, then the Secret: the next request has the new one."""
    report = world.report
    report.check("deploy/base lets the controller get a Secret, which is what a rotation needs", may(world, "get", "secrets", ""),
                        "allowed", "denied")
    for verb in ("list", "watch"):
        report.check(f"and not {verb} Secrets", not may(world, verb, "secrets", ""), "denied", "allowed")
    route = next(route for route in routes if route.name == "json-token")
    old = collector.rotating_token
    collector.rotate("planted-second-token")
    report.equal("after the rotation the collector refuses the old token", collector.status("http-rotating", f"Bearer {old}"), 401)
    secret = next(iter(name for name, (reference, _) in route.secrets.items() if reference == "secretRef"))
    route.secrets[secret][1]["token"] = collector.rotating_token
    route.apply_secret(world.admin, secret)
    commit = push(world, content.files(web="301", frontend="4"), "feat: after the rotation")
    world.await_applied("app", commit)
    compare(world, routes, "rotated", commit)
    refused = {series: value for series, value in world.subject.metrics().items() if "export_attempts" in series and '"401"' in series and value}
    report.check("no request was refused for its old token", not refused, "none", refused)


def kept_secret(world, routes, collector, proxy, tokens):
    """No credential of a backend is in what the proxy saw, and none at all in what the program says of itself."""
    report = world.report
    backend = [BASIC_PASSWORD, collector.token, *tokens]
    heads = "\n".join(proxy.heads)
    seen = [secret for secret in backend for form in forms(secret) if form in heads]
    report.check("the proxy saw no credential of a backend", not seen, "none", seen)
    asked = [head for head in proxy.heads if head.startswith("CONNECT ")]
    fields = {line.partition(":")[0].lower() for head in asked for line in head.split("\r\n")[1:]}
    report.check("a tunnel is asked for with the proxy's own credentials only", "proxy-authorization" in fields
                 and not fields & {"authorization", "x-scope-orgid"}, "proxy-authorization", fields)
    with open(world.subject.child.log, encoding="utf-8", errors="replace") as stream:
        said = stream.read()
    said += repr(world.subject.metrics()) + json.dumps([world.admin.get("Trace", NAMESPACE, route.name) for route in routes])
    said += json.dumps(world.admin.list("Event", NAMESPACE))
    told = [secret for secret in [*backend, PROXY_PASSWORD, "planted-tenant"] for form in forms(secret) if form in said]
    report.check("log, metrics, statuses and Events hold no credential", not told, "none", told)


def forms(secret):
    """A credential as it may show: plain, and encoded as basic authentication has it."""
    pairs = [f"{user}:{secret}" for user in (BASIC_USER, PROXY_USER)]
    return [secret, *(base64.b64encode(pair.encode()).decode() for pair in pairs)]


# --- what backends show -------------------------------------------------------------------------------------------------
# Each as {span ID: (parent ID, name, outcome, whether it is an error, start, duration)}, times in microseconds; none is shorter than one, as
# Zipkin has it.


def of_collector(path, trace_id):
    return {span.span_id: (span.parent_id, span.name, span.outcome, span.status == ERROR, span.start // 1000, max(1, (span.end - span.start) // 1000))
            for span in Received(path).trace(trace_id).spans}


def of_zipkin(zipkin, trace_id):
    return {span["id"]: (span.get("parentId", ""), span["name"], span["tags"].get("flux.outcome"), "error" in span["tags"], span["timestamp"],
                         span["duration"]) for span in zipkin.trace(trace_id)}


def of_jaeger(jaeger, trace_id, route):
    """Three routes lead into one Jaeger: each span there says by which it came."""
    shown = {}
    whole = jaeger.whole_trace(trace_id)
    for span in whole.get("spans", []):
        tags = {tag["key"]: tag["value"] for tag in span["tags"] + whole["processes"][span["processID"]]["tags"]}
        if tags.get("e2e.route") == route:
            parent = next((ref["spanID"] for ref in span.get("references", []) if ref["refType"] == "CHILD_OF" and ref["traceID"] == trace_id), "")
            shown[span["spanID"]] = (parent, span["operationName"], tags.get("flux.outcome"), bool(tags.get("error")), span["startTime"],
                                     max(1, span["duration"]))
    return shown
