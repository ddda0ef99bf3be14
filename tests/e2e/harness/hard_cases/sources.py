"""Hard cases of where content comes from: other makers of sources, commits of Flux's own, and content that comes with a commit."""

from . import objects

SOURCE = ("GitRepository", "demo")
APP = ("Kustomization", "app")


def _web(case, version, folder="app"):
    return {f"{folder}/web.yaml": objects.text(objects.deployment(case.namespace, "web", version))}


def image_automation(case):
    """ImageUpdateAutomation pushes commits, each a `commit` span under its root: its status tells of one before the source fetches it, of one after."""
    case.apply(objects.git_repository(case.namespace), objects.image_update_automation(case.namespace, "images"),
               objects.kustomization(case.namespace, "app", "./app"))
    first = case.push(_web(case, "1"), "feat: first version")
    case.await_applied("app", first)
    case.change(first, SOURCE, [case.run(*APP, SOURCE)], {"web": APP})
    for version, fetched_first in (("2", False), ("3", True)):
        commit = case.push_by_automation("images", _web(case, version), f"chore: image {version}", fetched_first)
        case.await_applied("app", commit)
        case.change(commit, SOURCE, [case.run(*APP, SOURCE)], {"web": APP}, commitBy=case.named("ImageUpdateAutomation", "images"))


def generated_artifact(case):
    """An ExternalArtifact made of two repositories: what it causes belongs to the commit of the one that moved, though its origin names one only."""
    code, config, made = ("GitRepository", "code"), ("GitRepository", "config"), ("ExternalArtifact", "whole")
    case.apply(objects.git_repository(case.namespace, "code"), objects.git_repository(case.namespace, "config"),
               objects.artifact_generator(case.namespace, "compose", {"code": "code", "config": "config"}, "whole", "code"),
               objects.kustomization(case.namespace, "app", "./code/app", "whole", "ExternalArtifact"))
    settings = {"settings.yaml": "level: 1\n"}
    before = case.push(settings, "feat: settings", "config")
    case.in_no_change(f"{before.revision} of GitRepository/config, of which nothing was made before the first commit of GitRepository/code")
    case.second_passes()
    files = _web(case, "1")
    code_at = case.push(files, "feat: first version", "code")

    def compose():
        parts = {**{f"code/{path}": text for path, text in files.items()}, **{f"config/{path}": text for path, text in settings.items()}}
        revision = case.generate("compose", "whole", parts, code_at)
        case.await_object("Kustomization", "app", lambda o: o["status"].get("lastAppliedRevision") == revision, f"to have applied {revision}")

    compose()
    case.change(code_at, code, [case.run(*APP, made)], {"web": APP})
    case.second_passes()
    settings = {"settings.yaml": "level: 2\n"}
    config_at = case.push(settings, "fix: level", "config")
    compose()
    case.change(config_at, config, [case.run(*APP, made)])
    case.second_passes()
    files = _web(case, "2")
    code_at = case.push(files, "feat: second version", "code")
    compose()
    case.change(code_at, code, [case.run(*APP, made)], {"web": APP})


def oci_by_commit(case):
    """A commit creates an OCIRepository and who applies it: the first artifact belongs to that commit. The next one is a change of its own."""
    fleet, images = ("Kustomization", "fleet"), ("OCIRepository", "images")
    url = f"oci://registry.example.com/{case.namespace}"
    case.push_image(url, _web(case, "1"))
    case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "fleet", "./fleet"))
    parts = objects.text(objects.oci_repository(case.namespace, "images", url),
                         objects.kustomization(case.namespace, "app", "./app", "images", "OCIRepository"))
    first = case.push({"fleet/app.yaml": parts}, "feat: take the image")
    case.await_applied("fleet", first)
    case.await_object("Kustomization", "app", lambda o: o["status"].get("lastAppliedRevision"), "to have applied the image")
    case.change(first, SOURCE, [case.run(*fleet, SOURCE), case.run(*APP, fleet)], {"web": APP})
    second = case.push_image(url, _web(case, "2"))
    case.await_applied("app", second)
    case.change(second, images, [case.run(*APP, images)], {"web": APP})


def same_bytes(case):
    """A commit that changes nothing of what the source packs: a new revision and no NewArtifact event. It has its run, which changes nothing."""
    case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "app", "./app"))
    files = _web(case, "1")
    first = case.push(files, "feat: first version")
    case.await_applied("app", first)
    case.change(first, SOURCE, [case.run(*APP, SOURCE)], {"web": APP})
    second = case.push(files, "docs: what the source ignores")
    case.await_applied("app", second)
    case.change(second, SOURCE, [case.run(*APP, SOURCE)])
    third = case.push(_web(case, "2"), "feat: second version")
    case.await_applied("app", third)
    case.change(third, SOURCE, [case.run(*APP, SOURCE)], {"web": APP})
