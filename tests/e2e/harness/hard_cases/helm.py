"""Hard cases of HelmReleases: remediation, tests, drift, charts that lie in repositories, a release that slept."""

from ..kubernetes import condition
from ..workloads import HEALTH
from . import objects

SOURCE, RELEASES, WEB = ("GitRepository", "demo"), ("Kustomization", "releases"), ("HelmRelease", "web")


def _release_files(case, values, **more):
    return {"releases/repository.yaml": objects.text(objects.helm_repository(case.namespace)),
            "releases/web.yaml": objects.text(objects.helm_release(case.namespace, "web", values, **more))}


def _start(case, files, message):
    case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "releases", "./releases"))
    return case.push(files, message)


def _applied(case):
    return case.run(*RELEASES, SOURCE)


def upgrade_rolled_back(case):
    """An upgrade that never becomes healthy, is rolled back once, and is given up; a later commit repairs it."""
    more = {"timeout": "8s", "upgrade": {"remediation": {"retries": 0, "remediateLastFailure": True, "strategy": "rollback"}}}
    first = _start(case, _release_files(case, {"version": "1"}, **more), "feat: first version")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    broken = case.push(_release_files(case, {"version": "2", "health": "never"}, **more), "feat: second version, broken")
    case.await_given_up("web", "RollbackSucceeded")
    case.change(broken, SOURCE, [_applied(case), case.run(*WEB, RELEASES, "Failed:UpgradeFailed", "Remediated:RollbackSucceeded", failures=1,
                                                         phases=["helm upgrade", "helm rollback"])], status="failed")
    repaired = case.push(_release_files(case, {"version": "3"}, **more), "fix: third version")
    case.await_release("web", "UpgradeSucceeded")
    case.change(repaired, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})


def install_uninstalled(case):
    """An install that fails twice, each time uninstalled again, and is given up; a later commit installs it for good."""
    more = {"timeout": "8s", "install": {"remediation": {"retries": 1, "remediateLastFailure": True}}}
    broken = _start(case, _release_files(case, {"version": "1", "health": "never"}, **more), "feat: first version, broken")
    case.await_given_up("web", "UninstallSucceeded")
    case.change(broken, SOURCE, [_applied(case), case.run(
        *WEB, RELEASES, "Failed:InstallFailed", "Remediated:UninstallSucceeded", "Failed:InstallFailed", "Remediated:UninstallSucceeded", failures=2,
        phases=["helm install", "helm uninstall", "helm install", "helm uninstall"])], status="failed")
    repaired = case.push(_release_files(case, {"version": "2"}, **more), "fix: second version")
    case.await_release("web", "InstallSucceeded")
    case.change(repaired, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})


def tested(case):
    """A release whose Helm test passes after its install, and fails after its upgrade; a later commit repairs the test."""
    more = {"test": {"enable": True}}
    first = _start(case, _release_files(case, {"version": "1", "test": "good"}, **more), "feat: first version, with a test")
    case.await_release("web", "TestSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install", "helm test"])], {"web": WEB})
    broken = case.push(_release_files(case, {"version": "2", "test": "never"}, **more), "feat: second version fails its test")
    case.await_release("web", "TestFailed")
    case.change(broken, SOURCE, [_applied(case), case.run(*WEB, RELEASES, "Failed:TestFailed", failures=1, phases=["helm upgrade", "helm test"])],
                {"web": WEB}, status="failed")
    repaired = case.push(_release_files(case, {"version": "3", "test": "good"}, **more), "fix: third version passes")
    case.await_release("web", "TestSucceeded")
    case.change(repaired, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade", "helm test"])], {"web": WEB})


def drift_corrected(case):
    """Helm's drift correction after somebody changed a Deployment by hand: in no change. The commit after it is traced as ever."""
    more = {"driftDetection": {"mode": "enabled"}}
    first = _start(case, _release_files(case, {"version": "1"}, **more), "feat: first version")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    case.world.admin.patch("Deployment", case.namespace, "web", {"spec": {"template": {"metadata": {"annotations": {HEALTH: "by-hand"}}}}})
    case.did("kubectl patch Deployment/web")
    case.request("HelmRelease", "web")
    case.await_object("Deployment", "web", lambda o: o["spec"]["template"]["metadata"]["annotations"][HEALTH] == "good", "to be corrected")
    case.in_no_change("HelmRelease/web corrects the drift of Deployment/web")
    case.await_handled("HelmRelease", "web")
    second = case.push(_release_files(case, {"version": "2"}, **more), "feat: second version")
    case.await_release("web", "UpgradeSucceeded")
    case.change(second, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})


def chart_in_git(case):
    """A chart that lies in a GitRepository of its own: a commit there that no apply asked for upgrades the release through its HelmChart."""
    chart = {"chart": "./charts/hard", "interval": "1h", "reconcileStrategy": "Revision", "sourceRef": {"kind": "GitRepository", "name": "charts"}}
    case.apply(objects.git_repository(case.namespace, "charts"))
    charts = ("GitRepository", "charts")
    before = case.push(objects.chart_files("charts/hard", "0.1.0", "1"), "feat: a chart", "charts")
    case.in_no_change(f"{before.revision} of GitRepository/charts, which nothing takes before the commit that asks for it")
    release = objects.helm_release(case.namespace, "web", {"health": "good"}, chart)
    first = _start(case, {"releases/web.yaml": objects.text(release)}, "feat: a release of the chart")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    newer = case.push(objects.chart_files("charts/hard", "0.1.0", "2"), "feat: the chart's defaults", "charts")
    case.await_release("web", "UpgradeSucceeded", lastAttemptedRevision=f"0.1.0+{newer.sha[:12]}")
    case.change(newer, charts, [case.run(*WEB, ("HelmChart", f"{case.namespace}-web"), phases=["helm upgrade"], attribution="chart")], {"web": WEB})
    values = objects.helm_release(case.namespace, "web", {"version": "3"}, chart)
    third = case.push({"releases/web.yaml": objects.text(values)}, "feat: third version by values")
    case.await_release("web", "UpgradeSucceeded", lastAttemptedGeneration=2)
    case.change(third, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})


def chart_in_bucket(case):
    """A chart that lies in a Bucket: new content there upgrades the release, under the Bucket."""
    chart = {"chart": "./charts/hard", "interval": "1h", "reconcileStrategy": "Revision", "sourceRef": {"kind": "Bucket", "name": "charts"}}
    case.apply(objects.bucket(case.namespace, "charts"))
    case.fill_bucket(objects.chart_files("charts/hard", "0.1.0", "1"), "charts")
    release = objects.helm_release(case.namespace, "web", {"health": "good"}, chart)
    first = _start(case, {"releases/web.yaml": objects.text(release)}, "feat: a release of the chart")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    newer = case.fill_bucket(objects.chart_files("charts/hard", "0.1.0", "2"), "charts")
    case.await_release("web", "UpgradeSucceeded", lastAttemptedRevision=f"0.1.0+{newer.sha[:12]}")
    case.change(newer, ("Bucket", "charts"), [case.run(*WEB, ("HelmChart", f"{case.namespace}-web"), phases=["helm upgrade"], attribution="chart")],
                {"web": WEB})


def release_slept(case):
    """A suspended HelmRelease takes a commit late, when it is resumed: in the trace of that commit."""
    first = _start(case, _release_files(case, {"version": "1"}), "feat: first version")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    case.suspend("HelmRelease", "web", True)
    second = case.push(_release_files(case, {"version": "2"}), "feat: second version, while the release sleeps")
    case.await_applied("releases", second)
    case.change(second, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})
    case.suspend("HelmRelease", "web", False)
    case.await_release("web", "UpgradeSucceeded")


def controller_killed(case):
    """helm-controller is killed in the middle of an upgrade: the release is left pending, is unlocked after the restart, and upgraded again."""
    first = _start(case, _release_files(case, {"version": "1"}), "feat: first version")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    case.world.workloads.hold(case.namespace, "web")
    second = case.push(_release_files(case, {"version": "2"}), "feat: second version")
    case.await_object("HelmRelease", "web", lambda o: "'upgrade'" in condition(o, "Reconciling").get("message", ""), "to upgrade")
    case.await_object("Deployment", "web", lambda o: o["metadata"]["generation"] == 2, "to have its new generation")
    case.kill_controller("helm-controller")
    case.world.workloads.release(case.namespace, "web")
    case.world.controllers.start("helm-controller")
    case.did("helm-controller is started again")
    case.await_release("web", "UpgradeSucceeded", seconds=120)
    case.change(second, SOURCE, [_applied(case), {**case.run(*WEB, RELEASES), "interruptedAttempts": 1}], {"web": WEB})


def _await_no_chart(case):
    """Waits until the chart's newest spec has failed, and its release waits for it."""
    case.await_object("HelmChart", f"{case.namespace}-web", lambda o: condition(o, "FetchFailed").get("observedGeneration") == o["metadata"]["generation"],
                      "to have failed")
    case.await_object("HelmRelease", "web", lambda o: condition(o, "Ready").get("reason") == "SourceNotReady"
                      and condition(o, "Ready").get("observedGeneration") == o["metadata"]["generation"], "to wait for its chart")
    case.second_passes()


def chart_missing(case):
    """Commits that ask for chart versions which the repository does not have: one gets it later, the other is given up for the next commit."""
    chart = {"chart": objects.CHART, "version": "0.1.0", "interval": "1h", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
    first = _start(case, _release_files(case, {"version": "1"}), "feat: first version")
    case.await_release("web", "InstallSucceeded")
    case.change(first, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm install"])], {"web": WEB})
    early = case.push(_release_files(case, {"version": "2"}, chart={**chart, "version": "0.2.0"}), "feat: a version that is not there yet")
    _await_no_chart(case)
    case.add_chart("0.2.0")
    case.await_release("web", "UpgradeSucceeded")
    case.change(early, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})
    never = case.push(_release_files(case, {"version": "3"}, chart={**chart, "version": "0.9.0"}), "feat: a version that never comes")
    _await_no_chart(case)
    case.change(never, SOURCE, [_applied(case)], status="failed")
    back = case.push(_release_files(case, {"version": "4"}, chart={**chart, "version": "0.2.0"}), "fix: a version that is there")
    case.await_release("web", "UpgradeSucceeded")
    case.change(back, SOURCE, [_applied(case), case.run(*WEB, RELEASES, phases=["helm upgrade"])], {"web": WEB})
