"""Hard cases that no bundled recording shows, each played in a namespace of its own, recorded, and written down with its truth."""

from . import helm, kustomizations, sources, walks

# name -> (what plays it, whether it must run alone because it hurts a controller)
CASES = {
    "helm-rollback": (helm.upgrade_rolled_back, False),
    "helm-uninstall": (helm.install_uninstalled, False),
    "helm-test": (helm.tested, False),
    "helm-drift": (helm.drift_corrected, False),
    "chart-in-git": (helm.chart_in_git, False),
    "chart-in-bucket": (helm.chart_in_bucket, False),
    "chart-missing": (helm.chart_missing, False),
    "helm-suspended": (helm.release_slept, False),
    "depends-across-sources": (kustomizations.depends_across_sources, False),
    "made-anew": (kustomizations.made_anew, False),
    "tag-moved-back": (kustomizations.tag_moved_back, False),
    "bucket": (kustomizations.from_bucket, False),
    "failed-dependency": (kustomizations.failed_dependency, False),
    "path-gone": (kustomizations.path_gone, False),
    "slow-removal": (kustomizations.slow_removal, False),
    "image-automation": (sources.image_automation, False),
    "generated-artifact": (sources.generated_artifact, False),
    "oci-by-commit": (sources.oci_by_commit, False),
    "same-bytes": (sources.same_bytes, False),
    "helm-killed": (helm.controller_killed, True),
}

# By chance, a seed each: not played unless asked for, since nobody has written down what must come out. Only the posts judge them.
WALKS = {f"walk-{seed}": (walks.walk(seed), False) for seed in range(1, 100)}
