"""Hard cases of Kustomizations and their sources: dependencies across sources, objects made anew, tags that move."""

from ..kubernetes import condition
from . import objects

SOURCE = ("GitRepository", "demo")


def _app(case, folder, name, version):
    return {f"{folder}/{name}.yaml": objects.text(objects.deployment(case.namespace, name, version))}


def depends_across_sources(case):
    """Two sources at the same commit, and a Kustomization of the second that waits for one of the first."""
    mirror, base, app = ("GitRepository", "mirror"), ("Kustomization", "base"), ("Kustomization", "app")
    case.apply(objects.git_repository(case.namespace), objects.git_repository(case.namespace, "mirror"),
               objects.kustomization(case.namespace, "base", "./base", wait=True),
               objects.kustomization(case.namespace, "app", "./app", source="mirror", dependsOn=[{"name": "base"}]))
    for version in ("1", "2"):
        files = {**_app(case, "base", "database", version), **_app(case, "app", "web", version)}
        case.world.workloads.hold(case.namespace, "database")
        commit = case.push(files, f"feat: version {version} of both")
        case.await_object("Kustomization", "base", lambda o, c=commit: o["status"].get("lastAttemptedRevision") == c.revision
                          and "health checks" in condition(o, "Reconciling").get("message", ""), f"to check the health of {commit}")
        case.fetch(commit, files, "mirror")
        case.await_object("Kustomization", "app", lambda o: condition(o, "Ready").get("reason") == "DependencyNotReady", "to wait for base")
        case.world.workloads.release(case.namespace, "database")
        case.await_applied("base", commit)
        case.await_applied("app", commit)
        case.change(commit, SOURCE, [case.run(*base, SOURCE), {**case.run(*app, mirror), "waits": True}], {"database": base, "web": app})


def made_anew(case):
    """A Kustomization that was deleted by hand comes back, under the same name and a new UID, with the next commit of its parent."""
    fleet, apps = ("Kustomization", "fleet"), ("Kustomization", "apps")
    case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "fleet", "./fleet"))
    child = {"fleet/apps.yaml": objects.text(objects.kustomization(case.namespace, "apps", "./apps"))}
    first = case.push({**child, **_app(case, "apps", "web", "1")}, "feat: first version")
    old = case.await_applied("apps", first)["metadata"]["uid"]
    case.change(first, SOURCE, [case.run(*fleet, SOURCE), case.run(*apps, fleet)], {"web": apps})
    case.delete("Kustomization", "apps")
    case.await_gone("Kustomization", "apps")
    case.await_gone("Deployment", "web")
    case.in_no_change("Kustomization/apps is deleted by hand, and its finalizer prunes Deployment/web")
    second = case.push({**child, **_app(case, "apps", "web", "2")}, "feat: second version")
    new = case.await_applied("apps", second)["metadata"]["uid"]
    assert old != new
    case.change(second, SOURCE, [case.run(*fleet, SOURCE), {**case.run(*apps, fleet), "uid": new}], {"web": apps})


def tag_moved_back(case):
    """A source that follows a semver range: to a newer tag, and back when that tag is withdrawn, which is a new incarnation of the old commit."""
    app = ("Kustomization", "app")
    case.apply(objects.git_repository(case.namespace, semver=">=1.0.0"), objects.kustomization(case.namespace, "app", "./app"))
    runs = [case.run(*app, SOURCE)]
    old_files = _app(case, "app", "web", "1")
    old = case.push(old_files, "release: 1.0.0", ref="v1.0.0")
    case.await_applied("app", old)
    case.change(old, SOURCE, runs, {"web": app})
    new = case.push(_app(case, "app", "web", "2"), "release: 1.1.0", ref="v1.1.0")
    case.await_applied("app", new)
    case.change(new, SOURCE, runs, {"web": app})
    case.fetch(old, old_files, "demo")
    case.await_applied("app", old)
    case.change(old, SOURCE, runs, {"web": app}, occurrence=2)


def from_bucket(case):
    """Manifests from a Bucket: its content is the change."""
    bucket, app = ("Bucket", "store"), ("Kustomization", "app")
    case.apply(objects.bucket(case.namespace, "store"), objects.kustomization(case.namespace, "app", "./app", "store", "Bucket", wait=True))
    for version in ("1", "2"):
        content = case.fill_bucket(_app(case, "app", "web", version), "store")
        case.await_applied("app", content)
        case.change(content, bucket, [case.run(*app, bucket)], {"web": app})


def failed_dependency(case):
    """A dependency of another source fails: who waits for it never takes that commit, and takes the one that repairs it."""
    mirror, base, app = ("GitRepository", "mirror"), ("Kustomization", "base"), ("Kustomization", "app")
    case.apply(objects.git_repository(case.namespace), objects.git_repository(case.namespace, "mirror"),
               objects.kustomization(case.namespace, "base", "./base", wait=True),
               objects.kustomization(case.namespace, "app", "./app", source="mirror", dependsOn=[{"name": "base"}]))
    files = {**_app(case, "base", "database", "1"), **_app(case, "app", "web", "1")}
    broken = {**files, "base/kustomization.yaml": "resources: [absent.yaml]\n"}
    bad = case.push(broken, "feat: first version, broken")
    case.fetch(bad, broken, "mirror")
    case.await_post("Kustomization", "base", bad, "BuildFailed")
    case.await_post("Kustomization", "app", bad, "DependencyNotReady")
    good = case.push(files, "fix: the manifests of base")
    case.fetch(good, files, "mirror")
    case.await_applied("base", good)
    case.await_applied("app", good)
    failures = len(case.posts_of("Kustomization", "base", bad, "BuildFailed"))
    case.change(bad, SOURCE, [case.run(*base, SOURCE, "Failed:BuildFailed", failures=failures), case.run(*app, mirror, "DependencyNotReady")],
                status="failed")
    case.change(good, SOURCE, [case.run(*base, SOURCE), {**case.run(*app, mirror), "waits": True}], {"database": base, "web": app})


def path_gone(case):
    """A commit takes away the folder that a Kustomization applies: its attempts fail, under that commit, until another one brings it back."""
    app = ("Kustomization", "app")
    case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "app", "./app"))
    first = case.push(_app(case, "app", "web", "1"), "feat: first version")
    case.await_applied("app", first)
    case.change(first, SOURCE, [case.run(*app, SOURCE)], {"web": app})
    bad = case.push(_app(case, "elsewhere", "web", "1"), "refactor: another folder")
    case.await_post("Kustomization", "app", bad, "ArtifactFailed")
    good = case.push(_app(case, "app", "web", "2"), "fix: back to its folder")
    case.await_applied("app", good)
    failures = len(case.posts_of("Kustomization", "app", bad, "ArtifactFailed"))
    case.change(bad, SOURCE, [case.run(*app, SOURCE, "Failed:ArtifactFailed", failures=failures)], status="failed")
    case.change(good, SOURCE, [case.run(*app, SOURCE)], {"web": app})


def slow_removal(case):
    """A commit drops a Kustomization whose deletion takes its time: the removal lasts until the last finalizer is gone, in that commit's trace."""
    fleet, apps, other = ("Kustomization", "fleet"), ("Kustomization", "apps"), ("GitRepository", "apps")
    case.apply(objects.git_repository(case.namespace), objects.git_repository(case.namespace, "apps"),
               objects.kustomization(case.namespace, "fleet", "./fleet"))
    keep = {"fleet/keep.yaml": objects.text(objects.config_map(case.namespace, "keep", version="1"))}
    child = {"fleet/apps.yaml": objects.text(objects.kustomization(case.namespace, "apps", "./apps", "apps"))}
    first = case.push({**keep, **child}, "feat: apps")
    case.await_applied("fleet", first)
    case.change(first, SOURCE, [case.run(*fleet, SOURCE)])
    content = case.push(_app(case, "apps", "web", "1"), "feat: first version", "apps")
    case.await_applied("apps", content)
    case.change(content, other, [case.run(*apps, other)], {"web": apps})
    case.add_finalizer("Kustomization", "apps", "e2e.example.com/hold")
    second = case.push(keep, "feat: no apps")
    case.await_applied("fleet", second)
    case.await_object("Kustomization", "apps", lambda o: o["metadata"]["finalizers"] == ["e2e.example.com/hold"], "to have pruned what it applied")
    case.second_passes(3)
    case.remove_finalizers("Kustomization", "apps")
    case.await_gone("Kustomization", "apps")
    case.change(second, SOURCE, [case.run(*fleet, SOURCE), case.run(*apps, fleet, "Uninstalled")], deletions=[
        {**case.named("Kustomization", "apps"), "by": case.named(*fleet), "finalizerPosts": []}])
