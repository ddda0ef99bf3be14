"""A walk by chance through what people do to a Flux estate: no script, a seed. What must hold of it is judged from the posts of the controllers."""

import random

from ..waiting import Timeout
from . import objects

APPS = ("alpha", "beta", "gamma", "delta")
STEPS = 14


class Estate:
    """What is in the repositories now; `files` are those that a commit would have."""

    def __init__(self, case, choice):
        self.case, self.choice = case, choice
        self.namespace = case.namespace
        self.versions = {name: 1 for name in APPS}
        self.present = set(APPS)
        self.broken = set()
        self.unhealthy = set()
        self.intervals = {name: 60 for name in APPS}
        self.values = 1
        self.settings = 1
        self.note = 1
        self.chart_version = "0.1.0"
        self.with_release = True
        self.history = []  # (Commit, files) of demo

    def files(self):
        fleet = []
        for name in sorted(self.present):
            more = {"wait": True} if name in ("alpha", "delta") else {}
            if name == "beta":
                more["dependsOn"] = [{"name": "alpha"}]
            fleet.append(objects.kustomization(self.namespace, name, f"./{name}", interval=f"{self.intervals[name]}m", **{"timeout": "12s", **more}))
        result = {"fleet/apps.yaml": objects.text(*fleet), "README.md": f"note {self.note}\n"}
        for name in sorted(self.present):
            health = "never" if name in self.unhealthy else "good"
            result[f"{name}/web.yaml"] = objects.text(objects.deployment(self.namespace, name, str(self.versions[name]), health))
            if name in self.broken:
                result[f"{name}/kustomization.yaml"] = "resources: [absent.yaml]\n"
        if "gamma" in self.present:
            result["gamma/settings.yaml"] = objects.text(objects.config_map(self.namespace, "settings", **{
                "values.yaml": f"version: \"{self.settings}\"\n"}))
            if self.with_release:
                chart = {"chart": objects.CHART, "version": self.chart_version, "interval": "1h",
                         "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
                result["gamma/release.yaml"] = objects.text(objects.helm_repository(self.namespace), objects.helm_release(
                    self.namespace, "shop", {"health": "good", "by": str(self.values)}, chart,
                    valuesFrom=[{"kind": "ConfigMap", "name": "settings", "optional": True}]))
        return result

    def push(self, message):
        files = self.files()
        self.history.append((self.case.push(files, message), files))

    # --- what may happen -------------------------------------------------------------------------------------------------

    def new_version(self):
        for name in self.choice.sample(APPS, self.choice.randint(1, 3)):
            self.versions[name] += 1
        self.push("feat: new versions")

    def new_values(self):
        self.values += 1
        self.push("feat: values of the release")

    def new_settings(self):
        self.settings += 1
        self.push("feat: settings")

    def everything(self):
        self.settings += 1
        self.values += 1
        for name in APPS:
            self.versions[name] += 1
        self.push("feat: everything")

    def note_only(self):
        self.note += 1
        self.push("docs: a note")

    def break_build(self):
        self.broken = {self.choice.choice(APPS)}
        self.push(f"feat: broken {self.broken}")

    def missing_chart(self):
        self.chart_version = "0.9.0"
        self.push("feat: a chart version that is not there")

    def mend(self):
        self.broken, self.unhealthy, self.chart_version = set(), set(), "0.1.0"
        self.push("fix: all")

    def break_health(self):
        name = self.choice.choice(("alpha", "delta"))
        self.unhealthy = {name}
        self.versions[name] += 1
        self.push(f"feat: unhealthy {name}")

    def take_out(self):
        name = self.choice.choice(("delta", "gamma"))
        self.present ^= {name}
        self.push(f"feat: {name} {'in' if name in self.present else 'out'}")

    def release_out(self):
        self.with_release = not self.with_release
        self.push(f"feat: release {'in' if self.with_release else 'out'}")

    def new_interval(self):
        name = self.choice.choice(APPS)
        self.intervals[name] += 1
        self.push(f"chore: interval of {name}")

    def burst(self):
        for _ in range(self.choice.randint(2, 4)):
            self.choice.choice((self.new_version, self.new_settings, self.note_only, self.everything, self.new_interval))()
            self.case.second_passes(self.choice.choice((0.0, 0.2, 0.7, 1.5)))

    def force_back(self):
        if len(self.history) > 2:
            commit, files = self.choice.choice(self.history[:-1])
            self.case.fetch(commit, files, "demo")
            self.case.second_passes(self.choice.choice((0.5, 2.0, 6.0)))

    def suspend_for_a_while(self):
        name = self.choice.choice(APPS)
        if self.case.world.admin.find("Kustomization", self.namespace, name):
            self.case.suspend("Kustomization", name, True)
            self.new_version()
            self.case.second_passes(self.choice.choice((1.0, 3.0)))
            self.case.suspend("Kustomization", name, False)

    def request(self):
        name = self.choice.choice(APPS + ("fleet",))
        if self.case.world.admin.find("Kustomization", self.namespace, name):
            self.case.request("Kustomization", name)

    def request_release(self):
        if self.case.world.admin.find("HelmRelease", self.namespace, "shop"):
            self.case.request("HelmRelease", "shop")

    def held(self):
        name = self.choice.choice(APPS)
        self.case.world.workloads.hold(self.namespace, name)
        self.versions[name] += 1
        self.push(f"feat: slow {name}")
        self.case.second_passes(self.choice.choice((2.0, 5.0)))
        if self.choice.random() < 0.5:
            self.new_version()
            self.case.second_passes(1.0)
        self.case.world.workloads.release(self.namespace, name)

    def delete_by_hand(self):
        kind, name = self.choice.choice((("Deployment", "alpha"), ("Deployment", "gamma"), ("Kustomization", "delta"), ("HelmRelease", "shop"),
                                         ("ConfigMap", "settings")))
        if self.case.world.admin.find(kind, self.namespace, name):
            self.case.delete(kind, name)

    def patch_by_hand(self):
        name = self.choice.choice(APPS)
        if self.case.world.admin.find("Deployment", self.namespace, name):
            self.case.world.admin.patch("Deployment", self.namespace, name, {"spec": {"replicas": self.choice.randint(1, 3)}})
            self.case.did(f"kubectl scale Deployment/{name}")


STEPS_AND_WEIGHTS = {Estate.new_version: 4, Estate.new_values: 2, Estate.new_settings: 2, Estate.everything: 2, Estate.note_only: 2,
                     Estate.break_build: 1, Estate.missing_chart: 1, Estate.mend: 2, Estate.break_health: 1, Estate.take_out: 2, Estate.release_out: 1, Estate.new_interval: 2,
                     Estate.burst: 3, Estate.force_back: 2, Estate.suspend_for_a_while: 2, Estate.request: 2, Estate.request_release: 1, Estate.held: 2,
                     Estate.delete_by_hand: 1, Estate.patch_by_hand: 1}


def walk(seed):
    def play(case):
        choice = random.Random(seed)
        estate = Estate(case, choice)
        case.apply(objects.git_repository(case.namespace), objects.kustomization(case.namespace, "fleet", "./fleet"))
        estate.push("feat: the beginning")
        case.await_applied("fleet", estate.history[-1][0])
        case.second_passes(5)
        for _ in range(STEPS):
            step = choice.choices(list(STEPS_AND_WEIGHTS), list(STEPS_AND_WEIGHTS.values()))[0]
            step(estate)
            case.second_passes(choice.choice((0.3, 1.0, 3.0, 8.0)))
        estate.broken, estate.unhealthy, estate.present, estate.with_release, estate.chart_version = set(), set(), set(APPS), True, "0.1.0"
        estate.everything()
        last = estate.history[-1][0]
        for name in ("fleet",) + APPS:
            try:
                case.await_applied(name, last, 90)
            except Timeout:
                case.did(f"{name} never applied the last commit")
        case.second_passes(20)

    play.__doc__ = f"A walk by chance, seed {seed}."
    return play
